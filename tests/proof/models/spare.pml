/* SPDX-License-Identifier: MIT
 * Recordings that are made ahead (csrc/recording/spare.c), in every interleaving: a process forks
 * CHILDREN, one after another, while those that it has forked claim, use and fork;
 * each may be killed at any step. What a child inherits is the maker's view at its fork: which
 * file each spare is. No two have one file, and nobody unmaps the file that it counts in. */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#define CHILDREN (PRODUCERS + 1)
#define SPARES 2
#define FILES (SPARES * (CHILDREN + 1))
#define NONE FILES

byte owner[FILES]; /* the header's pid: 0 is nobody */
byte users[FILES]; /* processes that count in it */
bool named[FILES];
byte made;
bool gone; /* one child was killed */

#define STEP if :: !gone -> gone = true; goto ended :: true fi

proctype child(byte id; byte a; byte b; byte turn) {
    byte n, f, got;
    bool there_a, there_b;
    got = NONE;
    there_a = true;
    there_b = true;
    n = 0;
    do
    :: n == SPARES || got != NONE -> break
    :: else ->
        f = ((n + turn) % 2 == 0 -> a : b);
        n++;
        STEP;
#ifdef BUG_CLAIM_BY_STORE
        if
        :: owner[f] == 0 -> STEP; owner[f] = id; got = f
        :: else
        fi
#else
        atomic {
            if
            :: owner[f] == 0 -> owner[f] = id; got = f
            :: else
            fi
        }
#endif
    od;
    if
    :: got == NONE -> goto ended /* all are taken: its parent's word stands */
    :: else
    fi;
    STEP;
    atomic {
        users[got]++;
        assert(users[got] == 1 && owner[got] == id && !named[got]);
        named[got] = true
    }
#ifndef BUG_OWN_MADE_AGAIN
    if
    :: got == a -> there_a = false
    :: else -> there_b = false
    fi;
#endif
    STEP;
    /* It forks: what is taken is made again, and unmapped here for that. */
    assert(!(there_a && owner[a] != 0 && got == a));
    STEP;
    assert(!(there_b && owner[b] != 0 && got == b));
ended:
    skip
}

init {
    byte k, a, b;
    a = 0;
    b = 1;
    made = SPARES;
    k = 1;
    do
    :: k > CHILDREN -> break
    :: else ->
        if
        :: owner[a] != 0 -> a = made; made++
        :: else
        fi;
        if
        :: owner[b] != 0 -> b = made; made++
        :: else
        fi;
        run child(k, a, b, k);
        k++
    od
}
