/* The model, as the host wrote it: in flash, and aligned as TensorFlow Lite's flatbuffers ask for (16 bytes). */
    .section .rodata.hb_tflm_model, "a", %progbits
    .global hb_tflm_model
    .balign 16
hb_tflm_model:
    .incbin "model.tflite"
