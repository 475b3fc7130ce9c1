# Which line of Python made a call that the core was asked about: csrc/program/caller.h calls this.

cdef extern from *:
    """
    #include "program/caller.h"
    #include "found.h"

    #if PY_VERSION_HEX < 0x030D0000
    #define PyThreadState_GetUnchecked _PyThreadState_UncheckedGet
    #endif

    /* Files whose lines do not count, since they only pass such a call on: those of our own
     * package, and signal.py. */
    static char own_package[4096], signal_module[4096];

    static int passes_on(const char *file) {
        return strncmp(file, own_package, strlen(own_package)) == 0 ||
               strcmp(file, signal_module) == 0;
    }

    /* The state of this thread, if it has the GIL, and no exception is being raised. */
    static PyThreadState *state_of_python(void) {
        PyThreadState *state = PyGILState_Check() ? PyThreadState_GetUnchecked() : NULL;
        /* After a program has made a subinterpreter, PyGILState_Check() is always true. */
        return state && state->thread_id == PyThread_get_thread_ident() && !PyErr_Occurred() ? state
                                                                                            : NULL;
    }

    static int runs_python(void) { return state_of_python() != NULL; }

    static size_t python_caller(char *text, size_t size, uint32_t *line) {
        size_t n = 0;
        PyThreadState *state = state_of_python();
        if (!state)
            return 0;
        /* To make a frame object may start the garbage collector, which runs Python code. */
        int collects = PyGC_Disable();
        PyFrameObject *frame = PyThreadState_GetFrame(state);
        if (!frame)
            n = CALLER_NO_PYTHON;
        while (frame) {
            PyCodeObject *code = PyFrame_GetCode(frame);
            Py_ssize_t length = 0;
            const char *file = PyUnicode_AsUTF8AndSize(code->co_filename, &length);
            PyFrameObject *back = NULL;
            if (!file) {
                PyErr_Clear(); /* the file's name is not valid text */
            } else if (passes_on(file)) {
                back = PyFrame_GetBack(frame);
            } else {
                n = (size_t)length < size ? (size_t)length : size;
                memcpy(text, file + length - n, n); /* of a long path the end says more */
                *line = (uint32_t)PyFrame_GetLineNumber(frame);
            }
            Py_DECREF(code);
            Py_DECREF(frame);
            frame = back;
        }
        if (collects)
            PyGC_Enable();
        return n;
    }

    static void ask_python(const char *package, const char *module) {
        snprintf(own_package, sizeof own_package, "%s", package);
        snprintf(signal_module, sizeof signal_module, "%s", module);
        void (*interpreter)(void) = (void (*)(void))PyErr_CheckSignals;
        core->caller_set_python(python_caller, (const void *)(uintptr_t)interpreter);
    }
    """
    bint runs_python()
    void ask_python(const char *package, const char *module)
