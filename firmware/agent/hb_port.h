/* What a port implements: a serial line, a clock, and a way to sleep. ports/cortex_m has what all Cortex-M
 * share, and says in hb_soc.h what a SoC adds in a folder of its own.
 *
 * The port also holds the reset handler, the vector table and the linker script. It calls hb_agent_main()
 * once memory, FPU and stacks are ready, hb_agent_receive() from its UART interrupt, and hb_agent_fault()
 * from its fault handler.
 *
 * Two stacks: interrupts and faults use MSP; hb_agent_main() and the model run on PSP, whose bounds are
 * hb_port_stack_bottom and hb_port_stack_top, so that what is painted there shows the model's own use. */
#ifndef HB_PORT_H
#define HB_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* ---- the agent, called by the port */

/* Runs the agent; never returns. Thread mode, on PSP. */
_Noreturn void hb_agent_main(void);

/* One byte came in. Called from the UART interrupt only. */
void hb_agent_receive(uint8_t byte);

/* The link's work, at the lowest interrupt priority (PendSV): frames are read and answered here. */
void hb_agent_service(void);

/* Registers of a fault, in the order of the FAULT frame. */
typedef struct {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr, sp, exc_return, cfsr, hfsr, mmfar, bfar;
} hb_fault;

/* The processor faulted: tells the host again and again for some seconds, then resets; never returns. */
_Noreturn void hb_agent_fault(const hb_fault *fault);

/* ---- the port, called by the agent */

/* Clocks, UART and timer on; receive interrupt enabled last. */
void hb_port_init(void);

/* Sends bytes, waiting as long as the line takes. */
void hb_port_write(const uint8_t *bytes, uint32_t count);

/* Starts a time measurement; hb_port_stop() returns what passed since, in the units of the board file's
 * `counter`, without the cost of the two calls. Windows do not nest. A port says how long a window may be. */
void hb_port_start(void);
uint64_t hb_port_stop(void);

/* False if the clock was stopped in a window that has been closed since the last call, so that its time is
 * too short. Only a port with a clock that somebody else may stop needs it. */
bool hb_port_clock_held(void);

/* Makes hb_agent_service() run once all other interrupts are done. */
void hb_port_pend_service(void);

/* Keeps interrupts out; returns what hb_port_unlock() needs to let them in again. */
uint32_t hb_port_lock(void);
void hb_port_unlock(uint32_t state);

/* Sleeps until an interrupt is pending. Called with interrupts locked; they run after the unlock. */
void hb_port_sleep(void);

/* Raises or lowers the pin that marks an inference for a power meter; does nothing where there is none. */
void hb_port_trigger(int on);

/* Forgets what a data cache holds of `memory`, which a debugger has written: whole lines, nothing else in
 * them. Only a port with a data cache needs it. */
void hb_port_forget(void *memory, uint32_t bytes);

/* Resets the processor. */
_Noreturn void hb_port_reset(void);

/* Resets the processor into the board's boot loader; just resets it where a port knows no way there. */
_Noreturn void hb_port_boot_loader(void);

extern uint32_t hb_port_stack_bottom[], hb_port_stack_top[];

#endif
