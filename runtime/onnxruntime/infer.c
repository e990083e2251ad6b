/* SPDX-License-Identifier: Apache-2.0 */
/* Shape inference: (N, C, H, W) of the output, N under the name that it has in the file. */
#include <string.h>

#include "geometry.h"

static OrtStatus *infer(const source *from, const operator_row *row) {
    const char *symbols[RANK] = {"", "", "", ""};
    OrtTensorInfo *info = NULL;
    char batch[64] = "";
    ort_type x = ORT_NONE; /* onnxruntime asks the first row of a name for all of them */
    geometry g;
    OrtStatus *status = read_geometry(from, row, &g);
    if (!status) status = ort_inferred_input(from->api)(from->context, 0, &info);
    if (!status) status = ort_type_of(from->api)(info, &x);
    if (!status) status = ort_symbols(from->api)(info, symbols, RANK);
    if (status) return status;
    if (strlen(symbols[0]) < sizeof batch) memcpy(batch, symbols[0], strlen(symbols[0]));
    symbols[0] = batch;
    symbols[1] = symbols[2] = symbols[3] = "";
    /* The input's description, which is a copy of the context's own, becomes the output's. */
    status = ort_set_dimensions(from->api)(info, g.output, RANK);
    if (!status) status = ort_set_type(from->api)(info, operator_output(row, x));
    if (!status) status = ort_set_symbols(from->api)(info, symbols, RANK);
    return status ? status : ort_infer_output(from->api)(from->context, 0, info);
}

OrtStatus *ORT_CALL kernel_infer(const ort_custom_op *op, OrtShapeInferContext *context) {
    const OrtApi *api = kernel_api();
    source from = {api, NULL, context};
    OrtStatus *status = infer(&from, (const operator_row *)op);
    /* onnxruntime does not look at what is returned. What does not fit is said when the kernel is made. */
    if (status) ort_release_status(api)(status);
    return NULL;
}
