/* Vectors, reset, and the way into the fault handler. */
#include "hb_config.h"

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
    .rept HB_PORT_UART_RX_IRQ
    .word fault_entry
    .endr
    .word hb_port_uart_interrupt

    .text

/* The FPU (and MVE) before any C, which may use their registers; then the thread's stack, which is PSP. */
    .global Reset_Handler
    .type Reset_Handler, %function
    .thumb_func
Reset_Handler:
    ldr r0, =0xe000ed88         /* CPACR: full access to coprocessors 10 and 11 */
    ldr r1, [r0]
    orr r1, r1, #(0xf << 20)
    str r1, [r0]
    dsb
    isb
    ldr r0, =hb_port_stack_top
    msr psp, r0
    movs r0, #2                 /* CONTROL.SPSEL */
    msr control, r0
    isb
#if __ARM_ARCH >= 8
    ldr r0, =hb_port_stack_bottom
    msr psplim, r0
    ldr r0, =hb_port_handler_stack_bottom
    msr msplim, r0
#endif
    b hb_port_main
    .size Reset_Handler, . - Reset_Handler

/* hb_port_fault(EXC_RETURN, the stack that the processor was on): bit 2 of EXC_RETURN says which. */
    .type fault_entry, %function
    .thumb_func
fault_entry:
    mov r0, lr
    tst r0, #4
    ite eq
    mrseq r1, msp
    mrsne r1, psp
    b hb_port_fault
    .size fault_entry, . - fault_entry
    .ltorg
