/* GPIO and USART of every STM32 here, and the seam between what differs (soc.h, soc.c) and what does not
 * (line.c).
 *
 * A soc.h also defines, from the board file's uart_base, uart_tx_pin, uart_rx_pin and trigger_pin:
 *   SOC_GPIO_BASE         GPIOA; the others follow it
 *   SOC_GPIO_CLOCKS       the RCC register whose bits 0, 1, ... clock GPIOA, GPIOB, ...
 *   SOC_UART_CLOCKS, SOC_UART_CLOCK    the RCC register that clocks the UART, and its bit there
 *   SOC_UART_FUNCTION     the pins' alternate function
 *   SOC_UART_HZ, SOC_UART_SLOW_HZ      what clocks the UART at full speed, and after a reset
 *   SOC_UART_FIRST        1 where the UART has the F4's registers, 0 where it has those of later families
 *   SOC_UART_SCALE        1, or 256 for an LPUART, whose divider has eight more bits
 * Manuals: RM0090 (F405, F407), RM0390 (F446), RM0385 (F746), RM0351 (L476), RM0432 (L4R5), RM0433 (H743).
 * Sections go by their titles, since their numbers move from revision to revision. */
#ifndef HB_STM32_H
#define HB_STM32_H

#include <stdbool.h>

#include "cortex_m.h"
#include "soc.h"

/* A pin is 16 times its port, from A = 0 on, plus its number there: PD8 is 0x38. "GPIO registers" of each
 * manual. */
#define PIN_PORT(pin)      ((uint32_t)(pin) / 16u)
#define PIN_NUMBER(pin)    ((uint32_t)(pin) % 16u)
#define PIN_BIT(pin)       (1u << PIN_NUMBER(pin))
#define GPIO(pin, offset)  HB_REGISTER(SOC_GPIO_BASE + 0x400u * PIN_PORT(pin) + (offset))
#define GPIO_MODER(pin)    GPIO(pin, 0x00u)
#define GPIO_OSPEEDR(pin)  GPIO(pin, 0x08u)
#define GPIO_PUPDR(pin)    GPIO(pin, 0x0cu)
#define GPIO_BSRR(pin)     GPIO(pin, 0x18u)
#define GPIO_AFR(pin)      GPIO(pin, 0x20u + 4u * (PIN_NUMBER(pin) / 8u))
#define GPIO_MODE_OUTPUT   1u
#define GPIO_MODE_FUNCTION 2u
#define GPIO_SPEED_HIGH    2u
#define GPIO_PULL_UP       1u

/* "USART registers" of each manual; LPUART's are the same as far as used here. */
#define USART(offset) HB_REGISTER(HB_PORT_UART_BASE + (offset))
#if SOC_UART_FIRST
#define USART_STATUS USART(0x00) /* SR */
#define USART_INPUT  USART(0x04) /* DR */
#define USART_OUTPUT USART(0x04) /* DR */
#define USART_BRR    USART(0x08)
#define USART_CR1    USART(0x0c)
#define USART_CR1_UE (1u << 13)
#else
#define USART_CR1       USART(0x00)
#define USART_BRR       USART(0x0c)
#define USART_STATUS    USART(0x1c) /* ISR */
#define USART_CLEAR     USART(0x20) /* ICR */
#define USART_INPUT     USART(0x24) /* RDR */
#define USART_OUTPUT    USART(0x28) /* TDR */
#define USART_CR1_UE    (1u << 0)
#define USART_CLEAR_ORE (1u << 3)
#endif
#define USART_CR1_RE      (1u << 2)
#define USART_CR1_TE      (1u << 3)
#define USART_CR1_RXNEIE  (1u << 5)
#define USART_STATUS_ORE  (1u << 3)
#define USART_STATUS_RXNE (1u << 5)
#define USART_STATUS_TC   (1u << 6)
#define USART_STATUS_TXE  (1u << 7)

/* Whether the clocks are as hb_soc_start() was to make them: false if an oscillator or the PLL did not start,
 * and the SoC runs on its clock of reset. True on an emulator without an RCC. */
bool soc_is_at_speed(void);

/* Bytes that came before the last one was read, and were lost. The link asks for their frame again. */
extern volatile uint32_t soc_uart_overruns;

#endif
