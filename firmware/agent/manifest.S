/* The image's manifest, as the host wrote it beside hb_config.h. */
    .section .hb_manifest, "a", %progbits
    .global hb_manifest_start
    .global hb_manifest_end
hb_manifest_start:
    .incbin "manifest.json"
hb_manifest_end:
