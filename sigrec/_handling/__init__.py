"""Runs Python code for signals, and sends signals for Python code."""
