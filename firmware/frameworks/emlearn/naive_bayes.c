/* Gaussian naive Bayes: emlearn tells the class alone, so its score is 1 and that of the others 0. */
#include "hb_emlearn.h"

#include "eml_model.h"

int hb_emlearn_run(const hb_feature features[HB_FEATURES], float scores[HB_SCORES]) {
    const int32_t predicted = eml_model_predict(features, HB_FEATURES);
    if (predicted < 0 || predicted >= HB_SCORES)
        return 1;
    for (int i = 0; i < HB_SCORES; i++)
        scores[i] = i == predicted ? 1.0f : 0.0f;
    return 0;
}
