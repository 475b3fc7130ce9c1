/* SPDX-License-Identifier: MIT
 * The history ring (csrc/events/ring.c, ring_push and ring_read), a step for each
 * access to memory, in every interleaving: PRODUCERS threads (a nested handler
 * is one that runs while another waits), of which one may stop for ever at any
 * step, and a reader. Capacity 2, so that they lap each other. */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#define CAPACITY 2
#define TRIES 2

byte head;
byte sequence[CAPACITY]; /* 2t+1 while ticket t is written, 2t+2 after */
byte first[CAPACITY], second[CAPACITY];
byte written, dropped, replaced, done;
bool gone; /* one thread never came back */

/* Anywhere, once: a thread that was killed, or is stopped for ever. */
#define STEP if :: !gone && may_go -> gone = true; goto ended :: true fi

proctype producer(byte id; bool may_go) {
    byte t, i, seq, tag;
    i = 0;
    do
    :: i == TRIES -> dropped++; break
    :: else ->
        i++;
        STEP;
        atomic { t = head; head = head + 1 }
        STEP;
        seq = sequence[t % CAPACITY];
#ifndef BUG_WRITE_OVER_UNFINISHED
        if
        :: (seq % 2 == 1) || (seq > 2 * t) -> goto again
        :: else
        fi;
#else
        if
        :: seq > 2 * t -> goto again
        :: else
        fi;
#endif
        STEP;
#ifdef BUG_CLAIM_BY_STORE
        sequence[t % CAPACITY] = 2 * t + 1;
#else
        atomic {
            if
            :: sequence[t % CAPACITY] == seq -> sequence[t % CAPACITY] = 2 * t + 1
            :: else -> goto again
            fi
        }
#endif
#ifdef BUG_PUBLISH_EARLY
        sequence[t % CAPACITY] = 2 * t + 2;
#endif
        STEP;
        tag = first[t % CAPACITY];
        if
        :: seq > 0 -> assert(tag > 0 && tag <= PRODUCERS); replaced++
        :: else
        fi;
        STEP;
        first[t % CAPACITY] = id;
        STEP;
        second[t % CAPACITY] = id;
        STEP;
        atomic { sequence[t % CAPACITY] = 2 * t + 2; written++ }
        break;
again:
        skip
    od;
ended:
    done++
}

proctype reader() {
    byte t, seq, a, b;
    t = 0;
    do
    :: t < 2 * PRODUCERS ->
        seq = sequence[t % CAPACITY];
        if
        :: seq == 2 * t + 2 ->
            a = first[t % CAPACITY];
            b = second[t % CAPACITY];
#ifdef BUG_NO_SECOND_LOOK
            assert(a == b && a > 0)
#else
            if
            :: sequence[t % CAPACITY] == seq -> assert(a == b && a > 0)
            :: else
            fi
#endif
        :: else
        fi;
        t++
    :: t == 2 * PRODUCERS -> break
    od
}

init {
    byte i, found;
    atomic {
        i = 1;
        do
        :: i <= PRODUCERS -> run producer(i, i == 1); i++
        :: else -> break
        od;
        run reader()
    }
    (done == PRODUCERS); /* none waits for another: or this is never reached, and Spin says so */
    i = 0;
    do
    :: i < CAPACITY ->
        if
        :: sequence[i] > 0 && sequence[i] % 2 == 0 -> found++
        :: else
        fi;
        i++
    :: else -> break
    od;
    assert(gone || written + dropped == PRODUCERS);
    assert(gone || found == written - replaced)
}
