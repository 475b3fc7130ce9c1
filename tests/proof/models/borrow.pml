/* SPDX-License-Identifier: MIT
 * What the intake thread borrows (csrc/handler/borrow.c, csrc/handler/intake.c), of one signal, in every
 * interleaving: threads whose handlers lend it, the main thread (0) that blocks it for a while, another
 * that is about to fork or exec, and the intake thread. A kick may come within another handler. Nobody takes it while the main thread has it
 * blocked; who forks has nothing of ours in its mask; and in the end nothing is blocked nor noted,
 * and each signal was taken once. */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#define THREADS 2
#define SIGNALS 2

bool owned, taking, blocked, orphans, over;
byte holds;
byte pending = SIGNALS;
byte done; /* signals that somebody took */
byte left = PRODUCERS - 1; /* threads that are not done yet with what they do */
byte busy;     /* handlers that run */
bool still;   /* who holds knows the same */
bool section; /* the main thread has it blocked, and knows that nobody takes it */
bool noted[THREADS], mask[THREADS], kicked[THREADS], inside[THREADS];
bool changing[THREADS]; /* its mask: nobody lends or gives back within */

inline disown() {
#ifdef BUG_ORPHANS
    owned = false
#else
    orphans = orphans || owned;
    owned = false
#endif
}

/* Its handlers: of the signal, and of a kick. What runs in the thread stands still meanwhile. */
proctype handlers(byte t) {
    bool frame;
    bool back;
    do
    :: atomic { pending > 0 && !mask[t] && !inside[t] -> inside[t] = true; busy++; pending--; done++ };
        assert(!section || t != 0);
        if
        :: holds == 0 && !blocked && !changing[t] -> /* it is owned, or comes fast */
#ifdef BUG_NOTE_LATER
            owned = true;
            noted[t] = true;
#else
            noted[t] = true;
            owned = true;
#endif
            frame = true;
            if
            :: holds != 0 || blocked -> atomic { disown() }; noted[t] = false; frame = false
            :: else
            fi
        :: !owned
        fi;
        atomic { mask[t] = frame; frame = false; inside[t] = false; busy-- }
    :: atomic { kicked[t] && !inside[t] -> kicked[t] = false; inside[t] = true; busy++ };
        back = noted[t] && !owned && !changing[t];
        if
        :: back -> noted[t] = false; atomic { mask[t] = false }
        :: back -> /* within another handler, whose end brings the mask back that was before it */
#ifdef BUG_FORGOTTEN_WITHIN
            noted[t] = false
#else
            skip
#endif
        :: else
        fi;
        atomic { back = false; inside[t] = false; busy-- }
    :: atomic { over -> break }
    od
}

#define HERE(t) !inside[t]

inline release(t) {
    atomic { HERE(t) -> disown() };
#ifndef BUG_NO_WAIT
    HERE(t) && !taking
#endif
}

inline begin_mask(t) {
#ifdef BUG_LEND_IN_BETWEEN
    skip
#else
    atomic { HERE(t) -> changing[t] = true }
#endif
}

/* pthread_sigmask: blocks it, and lets it in again. */
proctype blocks() {
    bool ours;
    begin_mask(0);
    atomic { HERE(0) -> mask[0] = true };
    atomic { HERE(0) -> noted[0] = false };
    atomic { HERE(0) -> changing[0] = false };
    atomic { HERE(0) -> blocked = true };
    release(0);
    section = true;
    section = false;
    begin_mask(0);
    atomic { HERE(0) -> ours = noted[0] && owned };
    atomic { HERE(0) -> mask[0] = ours };
    atomic { HERE(0) -> noted[0] = noted[0] && ours };
    atomic { HERE(0) -> changing[0] = false };
    atomic { HERE(0) -> blocked = false };
    left--
}

proctype forks(byte t) {
    bool ours;
    atomic { HERE(t) -> holds++ };
    release(t);
    still = true;
    atomic { HERE(t) -> ours = noted[t]; noted[t] = false };
    atomic { HERE(t) -> mask[t] = mask[t] && !ours };
    atomic { HERE(t) -> assert(!mask[t]); still = false; holds-- };
    left--
}

inline kick_all() {
    lent = false;
    n = 0;
    do
    :: n == THREADS -> break
    :: else ->
        if
        :: noted[n] -> /* and then whether it is owned */
            if
            :: !owned -> kicked[n] = true; lent = true
            :: else
            fi
        :: else
        fi;
        n++
    od;
    n = 0
}

#define OVER                                                                                       \
    (left == 0 && busy == 0 && pending == 0 && !owned && !lent && !orphans && !before)

proctype intake() {
    bool now, again, before, lent;
    byte n;
    do
    :: if
       :: owned -> atomic { disown() } /* it has not come for a while */
       :: true
       fi;
       atomic { again = orphans; orphans = false };
       now = owned;
       if
       :: now != before || lent || again -> kick_all()
       :: else
       fi;
       before = now;
       if
       :: before ->
            taking = owned;
#ifndef BUG_NO_LOOK_BEFORE_TAKING
            taking = taking && owned;
            taking = taking && holds == 0;
#endif
#ifndef BUG_TAKE_WHAT_IS_BLOCKED
            taking = taking && !blocked;
#endif
            if
            :: taking ->
                do
                :: atomic { pending > 0 -> pending--; done++; assert(!section && !still) }
                :: break
                od
            :: else
            fi;
            taking = false
       :: else
       fi;
       if
       :: atomic { OVER -> break }
       :: !OVER
       fi
    od;
    n = 0;
    do
    :: n == THREADS -> break
    :: else -> (!kicked[n] && !inside[n]); n++
    od;
    n = 0;
    do
    :: n == THREADS -> break
    :: else -> assert(!mask[n] && !noted[n]); n++
    od;
    assert(done == SIGNALS);
    over = true
}

init {
    byte k;
    atomic {
        run intake();
#if PRODUCERS == 2 /* one of the two */
        if
        :: run blocks()
        :: run forks(1)
        fi;
#else
        run blocks();
        run forks(1);
#endif
        k = 0;
        do
        :: k == THREADS -> break
        :: else -> run handlers(k); k++
        od
    }
}
