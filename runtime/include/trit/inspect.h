/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan says about itself: names, labels, shapes, work. Indices past the end give null or zero. */
#ifndef TRIT_INSPECT_H
#define TRIT_INSPECT_H

#include "trit/trit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct trit_step_info {
    const TRIT_FLASH char *name; /* the layer's name, UTF-8 */
    const char *operator_name;
    const char *input_kind, *output_kind, *weight_kind; /* weight_kind is "" without weights */
    uint32_t input_shape[3], output_shape[3];           /* channels, height, width */
    uint32_t kernel[2];                                 /* height, width; 0 without a window */
    const char *fused_operator; /* Threshold or Rescale where a Conv or Add takes it along, else "" */
    uint64_t macs;                                      /* multiply-accumulates, padding included */
    uint64_t parameter_bytes;                           /* weights and other parameters in the file, of all tasks */
    uint64_t weight_bytes;                              /* the weights alone */
    uint64_t output_bytes;                              /* in the arena; of the last step in the caller's memory */
    uint32_t output_offset;                             /* in the arena */
    uint32_t last_reader;                               /* last step that reads the output; this one where none does */
    uint32_t weights_offset;                            /* in the file; 0 without weights */
    uint32_t lanes;                                     /* output channels interleaved in the weights; 0 without */
} trit_step_info;

trit_status trit_step_describe(const trit_plan *plan, uint32_t step, trit_step_info *info);

/* Values that a run takes in, at most, up to a constant: output values times window, summed up over the steps. A small
 * file can ask for years of work: whoever runs plans of strangers looks here first. UINT64_MAX where it is more. */
uint64_t trit_work(const trit_plan *plan);

void trit_input_shape(const trit_plan *plan, uint32_t shape[3]);
void trit_output_shape(const trit_plan *plan, uint32_t shape[3]);

uint32_t trit_label_count(const trit_plan *plan); /* 0 or the number of output channels */
const TRIT_FLASH char *trit_label(const trit_plan *plan, uint32_t index);

const TRIT_FLASH char *trit_task_name(const trit_plan *plan, uint32_t index); /* trit_task_count of them */

uint32_t trit_metadata_count(const trit_plan *plan);
const TRIT_FLASH char *trit_metadata_key(const trit_plan *plan, uint32_t index);
const TRIT_FLASH char *trit_metadata_value(const trit_plan *plan, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
