/* The serial line and the trigger pin of every STM32 here. */
#include "hb_port.h"
#include "hb_soc.h"
#include "stm32.h"

#define DIVIDER(hz)   ((SOC_UART_SCALE * (uint64_t)(hz) + HB_BAUD / 2u) / HB_BAUD)
#define BAUD_OF(hz)   (SOC_UART_SCALE * (uint64_t)(hz) / DIVIDER(hz))
#define IS_NEAR(baud) ((baud) * 100u > HB_BAUD * 98ull && (baud) * 100u < HB_BAUD * 102ull)

_Static_assert(IS_NEAR(BAUD_OF(SOC_UART_HZ)), "the board's baud is not within 2 % of any that the UART has");
/* "USART baud rate generation" of each manual: 16 or more, and 16 bits; LPUART 0x300 or more, and 20 bits. */
_Static_assert(SOC_UART_SCALE == 1 ? DIVIDER(SOC_UART_HZ) >= 16 && DIVIDER(SOC_UART_HZ) <= 0xffff
                                   : DIVIDER(SOC_UART_HZ) >= 0x300 && DIVIDER(SOC_UART_HZ) <= 0xfffff,
               "the board's baud is out of the UART's reach");

volatile uint32_t soc_uart_overruns;

static void set_mode(uint32_t pin, uint32_t mode) {
    uint32_t shift = 2u * PIN_NUMBER(pin);
    GPIO_OSPEEDR(pin) = (GPIO_OSPEEDR(pin) & ~(3u << shift)) | GPIO_SPEED_HIGH << shift;
    GPIO_MODER(pin) = (GPIO_MODER(pin) & ~(3u << shift)) | mode << shift;
}

static void set_function(uint32_t pin) {
    uint32_t shift = 4u * (PIN_NUMBER(pin) % 8u);
    GPIO_AFR(pin) = (GPIO_AFR(pin) & ~(15u << shift)) | (uint32_t)SOC_UART_FUNCTION << shift;
    set_mode(pin, GPIO_MODE_FUNCTION);
}

static void open_pins(void) {
    uint32_t pull_shift = 2u * PIN_NUMBER(HB_PORT_UART_RX_PIN);
    SOC_GPIO_CLOCKS |= 1u << PIN_PORT(HB_PORT_UART_TX_PIN) | 1u << PIN_PORT(HB_PORT_UART_RX_PIN) |
                       1u << PIN_PORT(HB_PORT_TRIGGER_PIN);
    SOC_UART_CLOCKS |= SOC_UART_CLOCK;
    /* "RCC ... peripheral clock enable": a clock takes two cycles to arrive. */
    (void)SOC_UART_CLOCKS;
    (void)SOC_UART_CLOCKS;
    hb_port_trigger(0);
    set_mode(HB_PORT_TRIGGER_PIN, GPIO_MODE_OUTPUT);
    set_function(HB_PORT_UART_TX_PIN);
    /* A line that nobody drives must not look like bytes. */
    GPIO_PUPDR(HB_PORT_UART_RX_PIN) =
        (GPIO_PUPDR(HB_PORT_UART_RX_PIN) & ~(3u << pull_shift)) | GPIO_PULL_UP << pull_shift;
    set_function(HB_PORT_UART_RX_PIN);
}

void hb_soc_open_line(void) {
    bool fast = soc_is_at_speed();
    open_pins();
    USART_CR1 = 0;
    USART_BRR = fast ? (uint32_t)DIVIDER(SOC_UART_HZ) : (uint32_t)DIVIDER(SOC_UART_SLOW_HZ);
    USART_CR1 = USART_CR1_UE;
    USART_CR1 = USART_CR1_UE | USART_CR1_TE;
    if (!fast) {
        clock_does_not_start();
    }
}

void hb_soc_listen(void) {
    USART_CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
}

void hb_soc_flush(void) {
    (void)hb_await(&USART_STATUS, USART_STATUS_TC, USART_STATUS_TC);
}

void hb_port_uart_interrupt(void) {
    uint32_t status;
    while (((status = USART_STATUS) & (USART_STATUS_RXNE | USART_STATUS_ORE)) != 0) {
        /* On the F4, reading it after the status also clears ORE, which would interrupt for ever. */
        uint8_t byte = (uint8_t)USART_INPUT;
        if ((status & USART_STATUS_ORE) != 0) {
            soc_uart_overruns++;
#if !SOC_UART_FIRST
            USART_CLEAR = USART_CLEAR_ORE;
#endif
        }
        if ((status & USART_STATUS_RXNE) != 0) {
            hb_agent_receive(byte);
        }
    }
}

void hb_port_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while ((USART_STATUS & USART_STATUS_TXE) == 0) {
        }
        USART_OUTPUT = bytes[i];
    }
}

void hb_port_trigger(int on) {
    GPIO_BSRR(HB_PORT_TRIGGER_PIN) = PIN_BIT(HB_PORT_TRIGGER_PIN) << (on ? 0u : 16u);
}
