/* SPDX-License-Identifier: MIT
 * The dispatch queue (csrc/events/ring.c, ring_offer to ring_give_up), a step for each
 * access to memory, in every interleaving: PRODUCERS threads (a nested handler
 * is one that runs while another waits), of which one may stop for ever at any
 * step, and a dispatcher that may give up what is not finished at any time. */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#define CAPACITY 2
#define TRIES 2
#ifndef LOOKS
#define LOOKS 3 /* while the producers run; and then as many as it takes */
#endif
#define ENOUGH (2 * PRODUCERS + 4)

/* A slot's sequence with its marks: 4 * number + 2 * abandoned + empty. */
#define NUMBER(s) ((s) / 4)
#define ABANDONED(s) (((s) / 2) % 2)
#define WRITING(t) (4 * (2 * (t) + 1))
#define PUBLISHED(t) (4 * (2 * (t) + 2))

byte head, tail;
byte sequence[CAPACITY];
byte first[CAPACITY], second[CAPACITY];
byte queued[PRODUCERS + 1], refused[PRODUCERS + 1], taken[PRODUCERS + 1];
byte done;
bool gone;

#define STEP if :: !gone && may_go -> gone = true; goto ended :: true fi

proctype producer(byte id; bool may_go) {
    byte t, i, seq, at, claim;
    i = 0;
    t = head;
    do
    :: i == TRIES -> goto refuse
    :: else ->
        i++;
        STEP;
        at = tail;
        STEP;
#ifndef BUG_NEVER_FULL
        if
        :: t >= at && t - at >= CAPACITY -> goto refuse
        :: else
        fi;
#endif
        atomic {
            if
            :: head == t -> head = t + 1; goto have
            :: else -> t = head
            fi
        }
    od;
have:
    STEP;
    seq = sequence[t % CAPACITY];
    do
    :: NUMBER(seq) > 2 * t -> goto refuse /* given up before it was claimed */
    :: else ->
        claim = WRITING(t) + 2 * ABANDONED(seq);
        STEP;
        atomic {
            if
            :: sequence[t % CAPACITY] == seq ->
                sequence[t % CAPACITY] = claim;
                if
                :: ABANDONED(claim) -> goto refuse
                :: else -> break
                fi
            :: else -> seq = sequence[t % CAPACITY]
            fi
        }
    od;
#ifdef BUG_PUBLISH_EARLY
    sequence[t % CAPACITY] = PUBLISHED(t);
#endif
    STEP;
    first[t % CAPACITY] = id;
    STEP;
    second[t % CAPACITY] = id;
    STEP;
#ifdef BUG_PUBLISH_BY_STORE
    atomic { sequence[t % CAPACITY] = PUBLISHED(t); queued[id]++; goto ended }
#else
    atomic {
        if
        :: sequence[t % CAPACITY] == WRITING(t) ->
            sequence[t % CAPACITY] = PUBLISHED(t);
            queued[id]++;
            goto ended
        :: else -> seq = sequence[t % CAPACITY]
        fi
    }
    /* Given up: sets the slot free, at whatever ticket it stands now. */
    do
    :: STEP;
#ifndef BUG_LATE_KEEPS_THE_SLOT
        atomic {
            if
            :: sequence[t % CAPACITY] == seq ->
                sequence[t % CAPACITY] = 4 * (NUMBER(seq) + 1) + 1;
                goto refuse
            :: else -> seq = sequence[t % CAPACITY]
            fi
        }
#else
        goto refuse
#endif
    od;
#endif
refuse:
    refused[id]++;
ended:
    /* (What is of no use any more would only make more states.) */
    atomic { t = 0; i = 0; seq = 0; at = 0; claim = 0; done++ }
}

#define NEVER 0
#define PERHAPS 1
#define ALWAYS 2

/* Takes what is there; gives up what is not finished. */
inline look(give_up) {
    t = tail;
    seq = sequence[t % CAPACITY];
    if
    :: seq == PUBLISHED(t) ->
        a = first[t % CAPACITY];
        b = second[t % CAPACITY];
        assert(a == b && a > 0);
        taken[a]++;
        assert(taken[a] <= 1);
        tail = t + 1
    :: seq == PUBLISHED(t) + 1 || seq == WRITING(t) + 2 -> tail = t + 1
    :: else ->
        h = head;
        if
        :: h != t && give_up != NEVER ->
            seq = sequence[t % CAPACITY];
            atomic {
                if
                :: sequence[t % CAPACITY] == seq && (seq == WRITING(t) || ABANDONED(seq)) ->
#ifdef BUG_GIVE_UP_FREES
                    sequence[t % CAPACITY] = PUBLISHED(t) + 1
#else
                    sequence[t % CAPACITY] = WRITING(t) + 2
#endif
                :: sequence[t % CAPACITY] == seq && !(seq == WRITING(t) || ABANDONED(seq)) &&
                   NUMBER(seq) < 2 * t + 1 -> sequence[t % CAPACITY] = PUBLISHED(t) + 1
                :: else
                fi
            }
        :: h == t || give_up != ALWAYS
        fi
    fi;
    d_step { t = 0; seq = 0; a = 0; b = 0; h = 0 }
}

proctype dispatcher() {
    byte i, t, seq, a, b, h;
    i = 0;
    do
    :: i < LOOKS -> look(PERHAPS); i++
    :: break
    od;
    (done == PRODUCERS); /* none waits for another: or this is never reached, and Spin says so */
    /* With all at rest, as often as it takes; what a lost thread holds is given up. */
    i = 0;
    do
    :: i < ENOUGH -> look((gone -> ALWAYS : NEVER)); i++
    :: else -> break
    od;
    i = 1;
    do
    :: i <= PRODUCERS ->
        assert(taken[i] == queued[i] || (gone && i == 1));
        assert(queued[i] + refused[i] == 1 || (gone && i == 1));
        i++
    :: else -> break
    od;
    assert(gone || tail == head);
    i = 0;
    do
    :: i < CAPACITY ->
        assert(gone || (NUMBER(sequence[i]) % 2 == 0 && !ABANDONED(sequence[i])));
        i++
    :: else -> break
    od
}

init {
    byte i;
    atomic {
        i = 1;
        do
        :: i <= PRODUCERS -> run producer(i, i == 1); i++
        :: else -> break
        od;
        run dispatcher()
    }
}
