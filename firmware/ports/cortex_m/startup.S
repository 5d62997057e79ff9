/* Vectors, reset, and the way into the fault handler. Instructions of Armv6-M only, which all others have. */
#include "soc.h"

    .syntax unified
    .thumb

    .section .vectors, "a", %progbits
    .global hb_vectors
hb_vectors:
    .word hb_port_handler_stack_top
    .word Reset_Handler
    .rept 12                    /* NMI to 13: none of these is expected */
    .word fault_entry
    .endr
    .word hb_agent_service      /* 14: PendSV */
    .word fault_entry           /* 15: SysTick */
    .rept HB_SOC_UART_IRQ
    .word fault_entry
    .endr
    .word hb_port_uart_interrupt
    .rept HB_SOC_INTERRUPTS - HB_SOC_UART_IRQ - 1
    .word fault_entry
    .endr

    .text

/* A boot loader may come before this and leave anything behind: interrupts off until all is as after a reset. The FPU
 * (and MVE) before any C, which may use their registers; then both stacks, of which the thread's is PSP. */
    .global Reset_Handler
    .type Reset_Handler, %function
    .thumb_func
Reset_Handler:
    cpsid i
#ifdef __ARM_FP
    ldr r0, =0xe000ed88         /* CPACR: full access to coprocessors 10 and 11 */
    ldr r1, [r0]
    ldr r2, =(0xf << 20)
    orrs r1, r2
    str r1, [r0]
    dsb
    isb
#endif
    movs r0, #0                 /* CONTROL.SPSEL: this is MSP */
#if __ARM_ARCH >= 7
    msr basepri, r0
    msr faultmask, r0
#endif
    msr control, r0
    isb
#if __ARM_ARCH >= 8
    msr msplim, r0
    msr psplim, r0
#endif
    ldr r0, =hb_port_handler_stack_top
    mov sp, r0
    ldr r0, =hb_port_stack_top
    msr psp, r0
    movs r0, #2                 /* CONTROL.SPSEL: PSP */
    msr control, r0
    isb
#if __ARM_ARCH >= 8
    ldr r0, =hb_port_stack_bottom
    msr psplim, r0
    ldr r0, =hb_port_handler_stack_bottom
    msr msplim, r0
#endif
    bl hb_port_main
    .size Reset_Handler, . - Reset_Handler

/* hb_port_fault(EXC_RETURN, the stack that the processor was on): bit 2 of EXC_RETURN says which. */
    .type fault_entry, %function
    .thumb_func
fault_entry:
    mov r0, lr
    mrs r1, msp
    movs r2, #4
    tst r0, r2
    beq 1f
    mrs r1, psp
1:  bl hb_port_fault
    .size fault_entry, . - fault_entry
    .ltorg
