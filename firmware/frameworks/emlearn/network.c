/* Networks. eml_net_predict_proba() is not used: it takes the first of two outputs for the second class's. */
#include "hb_emlearn.h"

#include "eml_model.h"

int hb_emlearn_run(const hb_feature features[HB_FEATURES], float scores[HB_SCORES]) {
    float values[HB_VALUES];
    const int32_t error = eml_model_regress(features, HB_FEATURES, values, HB_VALUES);
#if HB_SCORES == 2 && HB_VALUES == 1
    /* Of two classes the network tells the second one's probability only. */
    scores[0] = 1.0f - values[0];
    scores[1] = values[0];
#else
    for (int i = 0; i < HB_SCORES; i++)
        scores[i] = values[i];
#endif
    return (int)error;
}
