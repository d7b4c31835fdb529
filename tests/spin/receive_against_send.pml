/*
 * A blocking receive against a send and a run: the register race of 2018, as a model for SPIN.
 *
 * Two physical CPUs. CPU 0 runs the only vCPU of VM 1, which is about to call HF_MAILBOX_RECEIVE(block); its mailbox
 * is configured and EMPTY. CPU 1 runs the primary, which calls HF_MAILBOX_SEND(1) and then HF_VCPU_RUN(1, 0).
 * After its receive VM 1 has nothing to do and executes WFI. Read this beside hfedu/hf/api.py and handler.py.
 *
 * Every d_step below is one `Step` there: SPIN does it as a whole, and tries every order of the two CPUs' d_steps.
 * What api.py does after a yield, up to the next one, is done in that step; so it is here. What a CPU does alone is
 * no step: a guest's own instructions, the checks of arguments, VTTBR_EL2. A test of a CPU's own variable
 * (`:: found ->`) only says where that CPU goes on.
 *
 * To see the shortest way to a violation:
 *     spin -a receive_against_send.pml && cc -DREACH -o pan pan.c && ./pan -i
 *     spin -t -p -g receive_against_send.pml
 *
 * Variants, for example `spin -a -DRETRY receive_against_send.pml`:
 *     RETRY      CPU 0's primary, told WAIT_FOR_INTERRUPT, calls HF_VCPU_RUN(1, 0) once more
 *     REGS_RACE  the repair: a vCPU runs only when its registers are saved, and its result is kept until it runs
 *     TWO_STEPS  that repair done wrong: HF_VCPU_RUN tests in one step and takes the vCPU in another. With one CPU
 *                that calls HF_VCPU_RUN nothing can come between; it takes RETRY to see what is wrong with it
 *     THIRD_RUNS, THIRD_SENDS    a third CPU, whose primary calls HF_VCPU_RUN(1, 0), or HF_MAILBOX_SEND(1) as well
 */

#if defined(THIRD_RUNS) || defined(THIRD_SENDS)
#define THIRD
#define CPUS 3
#else
#define CPUS 2
#endif

#ifdef TWO_STEPS
#define REGS_RACE
#endif

mtype = { READY, RUNNING, BLOCKED_MAILBOX, BLOCKED_INTERRUPT };    /* VcpuState */
mtype = { EMPTY, RECEIVED, READ };                                 /* MailboxState */
mtype = { ZERO, MESSAGE, YIELD, WAIT_FOR_INTERRUPT, VCPU_0, NO_VCPU, REFUSED, NOTHING };    /* what x0 can hold */
mtype = { AT_RECEIVE, AT_WFI };                                    /* VM 1's program counter: what it executes next */

/* VM 1 and its vCPU 0. The saved registers are those it was last switched in with: it was about to receive. */
mtype vcpu_state = RUNNING;
mtype saved_pc = AT_RECEIVE;
mtype saved_x0 = ZERO;
mtype mailbox = EMPTY;
mtype recv_waiter = NO_VCPU;        /* the stack of waiters: one vCPU at most, so mailbox_next is always empty */

/* The repair. */
bool regs_available = false;        /* saved_pc and saved_x0 are what VM 1 left with */
mtype kept_result = NOTHING;        /* the result of its receive, forced into x0 when it is next run */

/* The primary's vCPUs, one for each CPU: the saved x0, and what the guest saw last. */
mtype primary_x0[CPUS] = YIELD;
mtype send_result[CPUS] = NOTHING;
mtype run_result[CPUS] = NOTHING;

/* Locks: FREE, or the CPU that holds it. SPIN numbers the processes in the order of the text: cpu0 is 0. */
#define FREE CPUS
byte vm0_lock = FREE;
byte vm1_lock = FREE;
byte vcpu_lock = FREE;

#define me _pid
#define acquire(lock) lock == FREE -> lock = me
#define release(lock) assert(lock == me); lock = FREE

/*
 * What must not happen, each computed where it is asserted (`hidden`: no part of the state). VM 1 left at its WFI,
 * the receive behind it, and only the message makes it READY: with that place and that result it must go on.
 */
hidden byte live_twice;             /* it goes on here while its registers are still in the other CPU */
hidden byte stale_registers;        /* it goes on with other registers than it left with: it receives again */
hidden byte lost_result;            /* it goes on, and x0 does not hold the message */

byte live = 1;                      /* a bit for each CPU that VM 1's registers are in: from restore to save */
#define here (1 << me)
byte done = 0;                      /* CPUs whose primary has nothing more to do */

/* api_switch_to_primary: `primary_retval` and `secondary_state` are the same for both callers here. */
inline api_wait_for_interrupt() {
    d_step { primary_x0[me] = WAIT_FOR_INTERRUPT }                                  /* retval, of the primary */
    d_step { acquire(vcpu_lock); vcpu_state = BLOCKED_INTERRUPT }
    d_step { release(vcpu_lock) }
}

/* Handler.switch from VM 1 to the primary: by now every lock is free, and VM 1 may be READY again. */
inline switch_to_primary() {
    d_step { saved_pc = pc; saved_x0 = x0; live = live & ~here }                       /* save */
#ifdef REGS_RACE
    d_step { regs_available = true }
#endif
    d_step { run_result[me] = primary_x0[me] }                                      /* restore */
}

/* VM 1's WFI: x0 stays, and so does the program counter. */
inline wfi() {
    api_wait_for_interrupt();
    switch_to_primary()
}

inline api_mailbox_receive() {
    d_step { acquire(vm1_lock); pc = AT_WFI; found = (mailbox == RECEIVED) }
    if
    :: found ->
        d_step { mailbox = READ }                                                   /* read */
        d_step { release(vm1_lock); x0 = MESSAGE };
        wfi()
    :: !found ->
        d_step { acquire(vcpu_lock) }
        d_step { vcpu_state = BLOCKED_MAILBOX; assert(recv_waiter == NO_VCPU); recv_waiter = VCPU_0 }    /* block */
        d_step { release(vcpu_lock) }
        api_wait_for_interrupt();
        d_step { release(vm1_lock) }                        /* from here on a sender can find and wake the vCPU */
        d_step { saved_x0 = ZERO; x0 = ZERO }                                       /* retval, of VM 1 */
        switch_to_primary()
    fi
}

/* VM 1 on this CPU, until it is switched out. */
inline vm1() {
    if
    :: pc == AT_RECEIVE -> api_mailbox_receive()
    :: pc == AT_WFI -> wfi()
    fi
}

/* From the primary, to VM 1. Nobody clears the mailbox: it is EMPTY for the first message, and no other is taken. */
inline api_mailbox_send() {
    d_step { acquire(vm0_lock) }
    d_step { release(vm0_lock) }
    d_step { acquire(vm1_lock); room = (mailbox == EMPTY) }
    if
    :: room ->
        d_step {                                                                    /* deliver */
            found = (recv_waiter != NO_VCPU);
            if
            :: found -> mailbox = READ
            :: else -> mailbox = RECEIVED
            fi
        }
    :: !room
    fi;
    if
    :: !room ->
        d_step { release(vm1_lock); send_result[me] = REFUSED }
    :: room && found ->
        d_step { acquire(vcpu_lock) }
        d_step {                                                                    /* wake */
            recv_waiter = NO_VCPU;
            vcpu_state = READY;
#ifdef REGS_RACE
            kept_result = MESSAGE
#else
            saved_x0 = MESSAGE
#endif
        }
        d_step { release(vcpu_lock) }
        d_step { release(vm1_lock); send_result[me] = VCPU_0 }
    :: room && !found ->
        d_step { release(vm1_lock); send_result[me] = NO_VCPU }
    fi
}

/* What HF_VCPU_RUN demands of a vCPU, and how it takes it. */
#ifdef REGS_RACE
#define can_run (vcpu_state == READY && regs_available)
#else
#define can_run (vcpu_state == READY)
#endif

inline take_vcpu() {
    vcpu_state = RUNNING;
#ifdef REGS_RACE
    regs_available = false;
    if
    :: kept_result != NOTHING -> saved_x0 = kept_result; kept_result = NOTHING
    :: else
    fi
#endif
}

/* From the primary: run VM 1 here, and come back when it is switched out. */
inline api_vcpu_run() {
#ifdef TWO_STEPS
    d_step { found = can_run }                              /* without the lock */
#endif
    d_step {
        acquire(vcpu_lock);
#ifndef TWO_STEPS
        found = can_run;
#endif
        if
        :: found -> take_vcpu()
        :: else
        fi
    }
    if
    :: found ->
        d_step { release(vcpu_lock) }
        d_step { primary_x0[me] = YIELD }                                           /* retval, of the primary */
        d_step { primary_x0[me] = YIELD }                                           /* save */
        d_step {                                                                    /* restore */
            live_twice = ((live & ~here) != 0);
            stale_registers = (saved_pc == AT_RECEIVE);
            lost_result = (saved_x0 != MESSAGE);
            assert(!live_twice);
            assert(!stale_registers);
            assert(!lost_result);
            live = live | here;
            pc = saved_pc;
            x0 = saved_x0
        }
        vm1()
    :: !found ->
        d_step { release(vcpu_lock); run_result[me] = WAIT_FOR_INTERRUPT }
    fi
}

/* A CPU's own registers are its own variables. VM 1 is in CPU 0's. */
active proctype cpu0() {
    mtype pc = AT_RECEIVE;
    mtype x0 = ZERO;
    bool found;
    vm1();
#ifdef RETRY
    api_vcpu_run();
#endif
    done++
}

active proctype cpu1() {
    mtype pc, x0;
    bool found, room;
    api_mailbox_send();
    api_vcpu_run();
    done++
}

#ifdef THIRD
active proctype cpu2() {
    mtype pc, x0;
    bool found, room;
#ifdef THIRD_SENDS
    api_mailbox_send();
#else
    api_vcpu_run();
#endif
    done++
}
#endif

/* The final states, for comparison: `x0` is what VM 1 has, or will have when it is next run. */
#define show(value) printf(" "); printm(value)

active proctype final() {
    d_step {
        done == CPUS;
        assert(vm0_lock == FREE && vm1_lock == FREE && vcpu_lock == FREE && live == 0);
        if
        :: kept_result != NOTHING -> saved_x0 = kept_result
        :: else
        fi;
        printf("final:");
        show(vcpu_state); show(mailbox); show(recv_waiter); show(saved_x0);
        show(run_result[0]); show(send_result[1]); show(run_result[1]);
#ifdef THIRD
        show(send_result[2]); show(run_result[2]);
#endif
        printf("\n")
    }
}
