/* Clocks, serial line and trigger pin of nRF51 and nRF52. Their UART has the same registers.
 *
 * It is the plain UART: the nRF52 also has UARTE, with DMA, but that reports bytes by the buffer and loses
 * those that come while the next one is set up; here one interrupt a byte, and six bytes of FIFO behind it,
 * lose none up to 1 Mbaud, and the line is silent while a model is timed. */
#include "cortex_m.h"
#include "hb_port.h"
#include "hb_soc.h"

/* CLOCK: RM 13.2, PS "CLOCK, Registers". */
#define CLOCK_HFCLKSTART       HB_REGISTER(0x40000000)
#define CLOCK_HFCLKRUN         HB_REGISTER(0x40000408)
#define CLOCK_HFCLKSTAT        HB_REGISTER(0x4000040c)
#define CLOCK_HFCLKSTAT_SRC    (1u << 0)
#define CLOCK_HFCLKSTAT_SRC_XO (1u << 0)

/* POWER of the nRF51: RM 12.2. Both blocks of RAM on while the chip is. */
#define POWER_RAMON       HB_REGISTER(0x40000524)
#define POWER_RAMON_ONRAM (1u << 0 | 1u << 1)

/* POWER of the nRF52: PS "POWER, Registers". A byte that a reset leaves as it is, and that Arduino's boot
 * loader looks at first: 0xb0 is DFU_MAGIC_SERIAL_ONLY_RESET in ArduinoCore-mbed,
 * variants/ARDUINO_NANO33BLE/pins_arduino.h. */
#define POWER_GPREGRET             HB_REGISTER(0x4000051c)
#define POWER_GPREGRET_BOOT_LOADER 0xb0u

/* NVMC of the nRF52: PS "NVMC, Registers". Off at reset. */
#define NVMC_ICACHECNF       HB_REGISTER(0x4001e540)
#define NVMC_ICACHECNF_CACHE (1u << 0)

/* UART: RM 29.10, PS "UART, Registers". */
#define UART_STARTRX  HB_REGISTER(0x40002000)
#define UART_STARTTX  HB_REGISTER(0x40002008)
#define UART_RXDRDY   HB_REGISTER(0x40002108)
#define UART_TXDRDY   HB_REGISTER(0x4000211c)
#define UART_INTENSET HB_REGISTER(0x40002304)
#define UART_INTENCLR HB_REGISTER(0x40002308)
#define UART_ENABLE   HB_REGISTER(0x40002500)
#define UART_PSELRTS  HB_REGISTER(0x40002508)
#define UART_PSELTXD  HB_REGISTER(0x4000250c)
#define UART_PSELCTS  HB_REGISTER(0x40002510)
#define UART_PSELRXD  HB_REGISTER(0x40002514)
#define UART_RXD      HB_REGISTER(0x40002518)
#define UART_TXD      HB_REGISTER(0x4000251c)
#define UART_BAUDRATE HB_REGISTER(0x40002524)
#define UART_CONFIG   HB_REGISTER(0x4000256c)

#define UART_ENABLED      4u
#define UART_INTEN_RXDRDY (1u << 2)
#define UART_NO_PIN       UINT32_MAX
#define UART_8N1_NO_FLOW  0u
#define UART_CLOCK_HZ     16000000ull

/* BAUDRATE is the baud in units of 16 MHz / 2^32, its low 12 bits not there; what comes out is 16 MHz by a
 * whole number. So the values that Nordic lists come about ("actual rate" in the PS). */
#define BAUDRATE ((((uint64_t)HB_BAUD << 32) / UART_CLOCK_HZ + 0x800u) & 0xfffff000u)
#define ACTUAL   (UART_CLOCK_HZ / ((1ull << 32) / BAUDRATE))
_Static_assert(50u * ACTUAL < 51u * HB_BAUD && 50u * ACTUAL > 49u * HB_BAUD,
               "baud: the UART misses it by more than 2 %");
_Static_assert(HB_BAUD <= 1000000, "baud: the UART ends at 1 Mbaud");

/* GPIO: RM 14.2, PS "GPIO, Registers". The second port of 32 pins is 0x300 higher. */
#define GPIO_BASE(pin)   (0x50000000u + 0x300u * ((pin) / 32u))
#define GPIO_OUTSET(pin) HB_REGISTER(GPIO_BASE(pin) + 0x508u)
#define GPIO_OUTCLR(pin) HB_REGISTER(GPIO_BASE(pin) + 0x50cu)
#define GPIO_CNF(pin)    HB_REGISTER(GPIO_BASE(pin) + 0x700u + 4u * ((pin) % 32u))

#define GPIO_CNF_OUTPUT (1u << 0 | 1u << 1) /* no input buffer */
#define GPIO_CNF_PULLED (3u << 2) /* an input with a pull-up: a line that is not connected is idle */
#define GPIO_BIT(pin)   (1u << ((pin) % 32u))

#if __ARM_ARCH >= 7
_Static_assert(HB_PORT_UART_TX < 48 && HB_PORT_UART_RX < 48 && HB_PORT_TRIGGER < 48, "P0.00 to P1.15");
#else
_Static_assert(HB_PORT_UART_TX < 31 && HB_PORT_UART_RX < 31 && HB_PORT_TRIGGER < 31, "P0.00 to P0.30");
#endif

void hb_soc_start(void) {
#if __ARM_ARCH >= 7
    NVMC_ICACHECNF = NVMC_ICACHECNF_CACHE;
#else
    POWER_RAMON |= POWER_RAMON_ONRAM;
    hb_nrf5_start_timer();
#endif
    /* From the crystal, for the sake of all times and the UART: the RC oscillator is off by up to 5 %
     * (nRF51). Not by the event HFCLKSTARTED, which a boot loader may have left set. */
    CLOCK_HFCLKSTART = 1;
    (void)hb_await(&CLOCK_HFCLKSTAT, CLOCK_HFCLKSTAT_SRC, CLOCK_HFCLKSTAT_SRC_XO);
}

/* True on an emulator without a CLOCK, too: on silicon HFCLKRUN is 1 from the start of the crystal on. */
static bool is_on_crystal(void) {
    return (CLOCK_HFCLKSTAT & CLOCK_HFCLKSTAT_SRC) == CLOCK_HFCLKSTAT_SRC_XO ||
           (CLOCK_HFCLKRUN == 0 && CLOCK_HFCLKSTAT == 0);
}

static void make_output(uint32_t pin, bool high) {
    *(high ? &GPIO_OUTSET(pin) : &GPIO_OUTCLR(pin)) = GPIO_BIT(pin);
    GPIO_CNF(pin) = GPIO_CNF_OUTPUT;
}

void hb_soc_open_line(void) {
    make_output(HB_PORT_TRIGGER, false);
    make_output(HB_PORT_UART_TX, true);
    GPIO_CNF(HB_PORT_UART_RX) = GPIO_CNF_PULLED;
    UART_ENABLE = 0; /* as a boot loader may not have left it: pins are only taken then */
    UART_INTENCLR = UINT32_MAX;
    UART_PSELRTS = UART_NO_PIN;
    UART_PSELCTS = UART_NO_PIN;
    UART_PSELTXD = HB_PORT_UART_TX;
    UART_PSELRXD = HB_PORT_UART_RX;
    UART_CONFIG = UART_8N1_NO_FLOW;
    UART_BAUDRATE = (uint32_t)BAUDRATE;
    UART_ENABLE = UART_ENABLED;
    UART_STARTTX = 1;
    if (!is_on_crystal()) {
        clock_does_not_start();
    }
}

void hb_soc_listen(void) {
    UART_RXDRDY = 0;
    UART_INTENSET = UART_INTEN_RXDRDY;
    UART_STARTRX = 1;
}

void hb_port_uart_interrupt(void) {
    while (UART_RXDRDY != 0) {
        /* Cleared before the byte is taken: that lets the next one of the FIFO come, which sets it again. */
        UART_RXDRDY = 0;
        (void)UART_RXDRDY;
        hb_agent_receive((uint8_t)UART_RXD);
    }
}

void hb_port_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        UART_TXDRDY = 0;
        UART_TXD = bytes[i];
        while (UART_TXDRDY == 0) {
        }
    }
}

void hb_soc_flush(void) {
    /* hb_port_write() ends when its last byte has been sent. */
}

#if __ARM_ARCH >= 7
_Noreturn void hb_port_boot_loader(void) {
    POWER_GPREGRET = POWER_GPREGRET_BOOT_LOADER;
    hb_port_reset();
}
#endif

void hb_port_trigger(int on) {
    *(on != 0 ? &GPIO_OUTSET(HB_PORT_TRIGGER) : &GPIO_OUTCLR(HB_PORT_TRIGGER)) = GPIO_BIT(HB_PORT_TRIGGER);
}
