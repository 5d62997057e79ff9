/* The numbers that host and device share. Written by `python -m hilbench.link.protocol`. */
#ifndef HB_PROTOCOL_H
#define HB_PROTOCOL_H

#define HB_PROTOCOL_VERSION        2u
#define HB_HEADER_BYTES            4u
#define HB_CRC_BYTES               4u
#define HB_CHUNK_BYTES             512u
#define HB_SLOTS                   2u
#define HB_MAX_REPEATS             16u
#define HB_BUILD_ID_BYTES          16u
#define HB_TIMES_BYTES             24u
#define HB_FRAME_HELLO             1u
#define HB_FRAME_START             2u
#define HB_FRAME_DATA              3u
#define HB_FRAME_POLL              4u
#define HB_FRAME_READ              5u
#define HB_FRAME_RESET             6u
#define HB_FRAME_PLACED            7u
#define HB_FRAME_INFO              129u
#define HB_FRAME_STARTED           130u
#define HB_FRAME_ACK               131u
#define HB_FRAME_RESULT            132u
#define HB_FRAME_BLOCK             133u
#define HB_FRAME_FAULT             134u
#define HB_ACK_NAK                 1u
#define HB_ACK_POLLED              2u
#define HB_ACK_BUSY                4u
#define HB_STATUS_OK               0u
#define HB_STATUS_INIT_FAILED      1u
#define HB_STATUS_INVOKE_FAILED    2u
#define HB_STATUS_UNSTABLE_OUTPUT  3u
#define HB_STATUS_STACK_OVERFLOW   4u
#define HB_AFTER_RESET_RUN         0u
#define HB_AFTER_RESET_BOOT_LOADER 1u
#define HB_REGION_MANIFEST         0u
#define HB_REGION_OUTPUT           1u
#define HB_REGION_MESSAGE          2u
#define HB_REGION_PROFILE          3u
#define HB_HELLO_BYTES             4u
#define HB_INFO_BYTES              52u
#define HB_START_BYTES             6u
#define HB_STARTED_BYTES           4u
#define HB_DATA_BYTES              6u
#define HB_PLACED_BYTES            8u
#define HB_POLL_BYTES              2u
#define HB_RESET_BYTES             1u
#define HB_READ_BYTES              7u
#define HB_BLOCK_BYTES             7u
#define HB_ACK_BYTES               16u
#define HB_RESULT_BYTES            24u
#define HB_FAULT_BYTES             56u

#endif
