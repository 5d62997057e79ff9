/* Regression trees and forests: one value. */
#include "hb_emlearn.h"

#include "eml_model.h"

int hb_emlearn_run(const hb_feature features[HB_FEATURES], float scores[HB_SCORES]) {
    scores[0] = eml_model_predict(features, HB_FEATURES);
    return 0;
}
