/* What TensorFlow Lite Micro says of itself: kept for the host, which asks for it when the model fails. */
#ifndef HB_TFLM_LOG_H
#define HB_TFLM_LOG_H

/* The text lies at the very end of RAM, behind the arena: it takes no memory from a model that works. */
#define HB_TFLM_LOG_BYTES 256

/* Appends to the text; what does not fit is lost. The first messages tell the cause. */
void hb_tflm_log(const char *format, ...);

#endif
