/* The calls of the hypervisor and of PSCI, from hfedu's table of calls. Made: do not edit. */
#ifndef CALLS_H
#define CALLS_H

#define HF_VCPU_RUN 0xff00
#define HF_VM_GET_COUNT 0xff01
#define HF_VCPU_GET_COUNT 0xff02
#define HF_VM_CONFIGURE 0xff03
#define HF_MAILBOX_SEND 0xff04
#define HF_MAILBOX_RECEIVE 0xff05
#define HF_MAILBOX_CLEAR 0xff06
#define PSCI_VERSION 0x84000000
#define PSCI_CPU_OFF 0x84000002
#define PSCI_CPU_ON 0x84000003
#define PSCI_AFFINITY_INFO 0x84000004
#define PSCI_MIGRATE_INFO_TYPE 0x84000006
#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009

#endif
