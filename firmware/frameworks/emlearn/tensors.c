/* hb_model.h for any emlearn model: one row of features in, one score a class (or one value an output) out.
 */
#include "hb_emlearn.h"
#include "hb_model.h"

static hb_feature features[HB_FEATURES];
static float scores[HB_SCORES];

int hb_model_init(void) {
    return 0;
}

uint32_t hb_model_input_count(void) {
    return 1;
}

uint32_t hb_model_output_count(void) {
    return 1;
}

hb_tensor hb_model_input(uint32_t index) {
    (void)index;
    return (hb_tensor){features, sizeof features};
}

hb_tensor hb_model_output(uint32_t index) {
    (void)index;
    return (hb_tensor){scores, sizeof scores};
}

int hb_model_invoke(void) {
    return hb_emlearn_run(features, scores);
}

uint32_t hb_model_arena_used(void) {
    return sizeof features + sizeof scores + HB_WORKING_BYTES;
}
