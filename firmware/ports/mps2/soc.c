/* The serial line of the MPS2 and MPS3 machines: the APB UART of Arm's Cortex-M System Design Kit (DDI 0479C,
 * 4.3). They have no clocks to set, and no pin to raise. */
#include "cortex_m.h"
#include "hb_port.h"
#include "hb_soc.h"

#define UART_DATA      HB_REGISTER(HB_PORT_UART_BASE + 0x00)
#define UART_STATE     HB_REGISTER(HB_PORT_UART_BASE + 0x04)
#define UART_CTRL      HB_REGISTER(HB_PORT_UART_BASE + 0x08)
#define UART_INTSTATUS HB_REGISTER(HB_PORT_UART_BASE + 0x0c)
#define UART_BAUDDIV   HB_REGISTER(HB_PORT_UART_BASE + 0x10)

#define UART_STATE_TX_FULL   (1u << 0)
#define UART_STATE_RX_FULL   (1u << 1)
#define UART_CTRL_TX_ENABLE  (1u << 0)
#define UART_CTRL_RX_ENABLE  (1u << 1)
#define UART_CTRL_RX_INT     (1u << 3)
#define UART_INTSTATUS_RX    (1u << 1)
#define UART_SLOWEST_BAUDDIV 16u

void hb_soc_start(void) {
}

void hb_soc_open_line(void) {
    uint32_t divider = (uint32_t)HB_CLOCK_HZ / (uint32_t)HB_BAUD;
    UART_BAUDDIV = divider < UART_SLOWEST_BAUDDIV ? UART_SLOWEST_BAUDDIV : divider;
    UART_CTRL = UART_CTRL_TX_ENABLE;
}

void hb_soc_listen(void) {
    UART_CTRL = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE;
    /* QEMU 7.2 does not look at its input again after RX is enabled until DATA is read once. */
    (void)UART_DATA;
    UART_CTRL = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE | UART_CTRL_RX_INT;
}

void hb_port_uart_interrupt(void) {
    /* Cleared before the data is read: cleared after, the interrupt of a byte that comes in between would be
     * lost. */
    UART_INTSTATUS = UART_INTSTATUS_RX;
    while ((UART_STATE & UART_STATE_RX_FULL) != 0) {
        hb_agent_receive((uint8_t)UART_DATA);
    }
}

void hb_soc_flush(void) {
    while ((UART_STATE & UART_STATE_TX_FULL) != 0) {
    }
}

void hb_port_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        hb_soc_flush();
        UART_DATA = bytes[i];
    }
}

void hb_port_trigger(int on) {
    (void)on;
}
