/* The first 256 bytes of the flash: the boot ROM copies them to RAM, checks their CRC-32, and jumps to the first, which
 * makes the flash readable as memory (DS 2.8.1.2 and 2.8.1.3). The boot ROM reads with one wire at a crawl; here the
 * flash, a Winbond W25Q16JV or one that understands the same, is set to send four bits at a time and to take addresses
 * without an instruction (W25Q16JV datasheet rev. H, 8.2.12: "Continuous Read Mode").
 *
 * All is in a table of registers and values. An odd register means: then wait until the flash has what was sent. */
    .syntax unified
    .thumb

/* DS 2.19.6.4: pads. 8 mA and fast for the clock; no Schmitt trigger, which delays, for the data. */
#define QSPI_SCLK  0x40020004
#define QSPI_SD0   0x40020008
#define QSPI_SD1   0x4002000c
#define QSPI_SD2   0x40020010
#define QSPI_SD3   0x40020014
#define FAST_8_MA  (2 << 4 | 1)
#define INPUT_4_MA (1 << 6 | 1 << 4)

/* DS 4.10.13: the SSI. */
#define SSI_CTRLR0        0x18000000
#define SSI_CTRLR1        0x18000004
#define SSI_SSIENR        0x18000008
#define SSI_BAUDR         0x18000014
#define SSI_SR            0x18000028
#define SSI_DR0           0x18000060
#define SSI_RX_SAMPLE_DLY 0x180000f0
#define SSI_SPI_CTRLR0    0x180000f4
#define SR_BUSY           1
#define SR_TFE            4

#define PLAIN(bits)  ((bits - 1) << 16)                   /* DFS_32: a frame of so many bits, sent by one wire */
#define QUAD_READ    (2 << 21 | 31 << 16 | 3 << 8)        /* SPI_FRF, DFS_32, TMOD: send an address, read 32 bits */
#define ADDRESS      (8 << 2 | 4 << 11)                   /* ADDR_L: 24 + 8 bits; WAIT_CYCLES: 4 (8.2.12) */
#define INSTRUCTION  (2 << 8 | 1)                         /* INST_L: 8 bits by one wire; TRANS_TYPE: the rest by four */
#define NO_INSTRUCTION(mode) (mode << 24 | 0 << 8 | 2)    /* XIP_CMD: what follows the address; all by four */

/* W25Q16JV, 8.1: instructions. The volatile register's bits last until power goes, and wear nothing. */
#define WRITE_ENABLE_VOLATILE 0x50
#define WRITE_STATUS_2        0x31
#define STATUS_2_QUAD_ENABLE  0x02
#define FAST_READ_QUAD_IO     0xeb
#define CONTINUE              0xa0

/* Of the core's clock, which will be 125 MHz: 62.5 MHz. The flash can do 133. */
#define DIVIDER 2

#define THEN_WAIT 1

    .section .hb_boot, "ax", %progbits
    .global hb_boot
    .type hb_boot, %function
    .thumb_func
hb_boot:
    adr r0, steps
    movs r5, #(SR_BUSY | SR_TFE)
    movs r6, #THEN_WAIT
next:
    ldmia r0!, {r1, r2}
    cmp r1, #0
    beq start
    movs r3, r1
    bics r3, r6
    str r2, [r3]
    tst r1, r6
    beq next
    subs r3, #(SSI_DR0 - SSI_SR)
wait:
    ldr r1, [r3]
    ands r1, r5
    cmp r1, #SR_TFE
    bne wait
    b next
start:
    ldmia r2!, {r0, r1}         /* the first two vectors: a stack, and where to go */
    msr msp, r0
    bx r1

    .balign 4
steps:
    .word QSPI_SCLK, FAST_8_MA
    .word QSPI_SD0, INPUT_4_MA
    .word QSPI_SD1, INPUT_4_MA
    .word QSPI_SD2, INPUT_4_MA
    .word QSPI_SD3, INPUT_4_MA
    .word SSI_SSIENR, 0
    .word SSI_BAUDR, DIVIDER
    .word SSI_RX_SAMPLE_DLY, 1
    .word SSI_CTRLR0, PLAIN(8)
    .word SSI_SSIENR, 1
    .word SSI_DR0 + THEN_WAIT, WRITE_ENABLE_VOLATILE
    .word SSI_SSIENR, 0
    .word SSI_CTRLR0, PLAIN(16)
    .word SSI_SSIENR, 1
    .word SSI_DR0 + THEN_WAIT, WRITE_STATUS_2 << 8 | STATUS_2_QUAD_ENABLE
    .word SSI_SSIENR, 0
    .word SSI_CTRLR0, QUAD_READ
    .word SSI_CTRLR1, 0
    .word SSI_SPI_CTRLR0, ADDRESS | INSTRUCTION
    .word SSI_SSIENR, 1
    .word SSI_DR0, FAST_READ_QUAD_IO
    .word SSI_DR0 + THEN_WAIT, CONTINUE      /* address 0, and the mode that lasts */
    .word SSI_SSIENR, 0
    .word SSI_SPI_CTRLR0, ADDRESS | NO_INSTRUCTION(CONTINUE)
    .word SSI_SSIENR, 1
    .word 0, hb_vectors

    .org 252                    /* as in DS 2.8.1.3.1; a test computes it */
    .word 0x55b0d89b
