/* SPDX-License-Identifier: Apache-2.0
 *
 * A functional simulator of an RRAM chip: runs a network from its programming files, error-free, cycle by cycle, and
 * compares the scores with the expected ones bit for bit, and the cycles with the schedule's. network.txt says which
 * array holds which part of which layer, and when it is read; arrays/NNNNN.txt are the states.
 * usage: rram_run < network.txt, in the directory that holds inputs.bin, scores.bin and arrays/
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int channels, height, width, zero_point;
    int32_t *values; /* (C, H, W); floats are held as their bits */
} tensor;

typedef struct {
    int kernel[2], stride[2], begin[2], dilation[2]; /* begin: padding at the top and at the left */
} window;

typedef struct {
    int array, top, left; /* where it stands */
    int row, column;      /* of the weight matrix, in its first row and column */
    int rows, columns;
} tile;

/* What an array reads for one output position, a cycle each. */
typedef struct {
    int array, count;
    int *row, *slot; /* slot: the column modulo the columns that share an amplifier */
} reads;

typedef struct {
    int tile_count, array_count;
    tile *tiles;
    reads *arrays;
} copy; /* of a layer's weights; copies work on different output positions */

typedef struct {
    char operator[16];
    const tensor *input, *other;
    tensor *output;
    window window;
    int groups, rows, copy_count; /* rows: K of the weight matrix */
    int first, per_position, drain; /* cycles, as scheduled */
    copy *copies;
    int32_t *parameters; /* per channel: lo, hi, negative | multiplier, offset's low and high word, shift |
                            minimum | scale bits, bias bits */
} node;

static struct {
    int polarity, rows, columns, per_amplifier, count;
    int8_t **weights; /* [array][row * columns + column], as read */
    long cycle;       /* of the image so far */
} chip;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("out of memory");
    return memory;
}

static int number(FILE *file) {
    long value;
    if (fscanf(file, "%ld", &value) != 1) fail("network.txt: a number is missing");
    return (int)value;
}

static void numbers(FILE *file, int *to, int count) {
    for (int i = 0; i < count; i++) to[i] = number(file);
}

static size_t size_of(const tensor *t) { return (size_t)t->channels * (size_t)t->height * (size_t)t->width; }

/* One sense operation a synapse: the bit line whose device is in the low-resistance state discharges first. */
static void load_array(int array) {
    char path[64], line[2][1024];
    snprintf(path, sizeof path, "arrays/%05d.txt", array);
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot read %s", path);
    chip.weights[array] = allocate((size_t)chip.rows * (size_t)chip.columns, 1);
    for (int row = 0; row < chip.rows; row++) {
        if (fscanf(file, "%1023s %1023s", line[0], line[1]) != 2) fail("%s: row %d is missing", path, row);
        for (int column = 0; column < chip.columns; column++) {
            int low[2];
            for (int side = 0; side < 2; side++) {
                const char digit[2] = {line[side][column / 4], 0};
                low[side] = (int)(strtol(digit, NULL, 16) >> (3 - column % 4)) & 1;
            }
            chip.weights[array][row * chip.columns + column] = (int8_t)(chip.polarity * (low[0] - low[1]));
        }
    }
    fclose(file);
}

/* The rows and slots of the array that hold any of the copy's tiles, row by row. */
static void list_reads(const copy *c, reads *r) {
    int slots = chip.per_amplifier;
    char *wanted = allocate((size_t)(chip.rows * slots), 1);
    for (const tile *t = c->tiles; t < c->tiles + c->tile_count; t++)
        for (int row = 0; t->array == r->array && row < t->rows; row++)
            for (int column = 0; column < t->columns; column++)
                wanted[(t->top + row) * slots + (t->left + column) % slots] = 1;
    r->row = allocate((size_t)(chip.rows * slots), sizeof(int));
    r->slot = allocate((size_t)(chip.rows * slots), sizeof(int));
    for (int i = 0; i < chip.rows * slots; i++)
        if (wanted[i]) {
            r->row[r->count] = i / slots;
            r->slot[r->count++] = i % slots;
        }
    free(wanted);
}

static void read_copy(FILE *file, copy *c) {
    c->tile_count = number(file);
    c->tiles = allocate((size_t)c->tile_count, sizeof(tile));
    c->arrays = allocate((size_t)c->tile_count, sizeof(reads));
    for (int i = 0; i < c->tile_count; i++) {
        int known = 0, array;
        numbers(file, &c->tiles[i].array, 7);
        array = c->tiles[i].array;
        if (array < 0 || array >= chip.count) fail("network.txt: there is no array %d", array);
        for (int j = 0; j < c->array_count; j++) known |= c->arrays[j].array == array;
        if (!known) c->arrays[c->array_count++].array = array;
        if (!chip.weights[array]) load_array(array);
    }
    for (int i = 0; i < c->array_count; i++) list_reads(c, &c->arrays[i]);
}

static void read_node(FILE *file, tensor *tensors, node *n) {
    int parameters = 0;
    memset(n, 0, sizeof *n);
    if (fscanf(file, "%15s", n->operator) != 1) fail("network.txt: an operator is missing");
    n->input = &tensors[number(file)];
    if (!strcmp(n->operator, "add") || !strcmp(n->operator, "concat") || !strcmp(n->operator, "maxunpool"))
        n->other = &tensors[number(file)];
    n->output = &tensors[number(file)];
    if (!strcmp(n->operator, "conv") || strstr(n->operator, "pool")) {
        numbers(file, n->window.kernel, 2);
        numbers(file, n->window.stride, 2);
        numbers(file, n->window.begin, 2);
        numbers(file, n->window.dilation, 2);
    }
    if (!strcmp(n->operator, "conv")) {
        n->groups = number(file);
        n->rows = n->input->channels / n->groups * n->window.kernel[0] * n->window.kernel[1];
        numbers(file, &n->first, 3);
        n->copy_count = number(file);
        n->copies = allocate((size_t)n->copy_count, sizeof(copy));
        for (int i = 0; i < n->copy_count; i++) read_copy(file, &n->copies[i]);
    }
    if (!strcmp(n->operator, "threshold")) parameters = 3;
    if (!strcmp(n->operator, "rescale")) parameters = 4;
    if (!strcmp(n->operator, "maxpool")) parameters = 1;
    if (!strcmp(n->operator, "scores")) parameters = 2;
    n->parameters = allocate((size_t)(n->output->channels * parameters), sizeof(int32_t));
    for (int i = 0; i < n->output->channels * parameters; i++) n->parameters[i] = number(file);
}

/* Position of kernel tap `tap` for output `at`, or -1 in the padding. */
static int position(const window *w, int axis, int at, int tap, int size) {
    int p = at * w->stride[axis] + tap * w->dilation[axis] - w->begin[axis];
    return p >= 0 && p < size ? p : -1;
}

/* The inputs of an output position, [groups][kernel row, kernel column, channel]. */
static void gather(const node *n, int at, int32_t *x) {
    const tensor *in = n->input;
    int channels = in->channels / n->groups, width = n->output->width;
    for (int g = 0; g < n->groups; g++)
        for (int ky = 0; ky < n->window.kernel[0]; ky++)
            for (int kx = 0; kx < n->window.kernel[1]; kx++) {
                int py = position(&n->window, 0, at / width, ky, in->height);
                int px = position(&n->window, 1, at % width, kx, in->width);
                for (int c = g * channels; c < (g + 1) * channels; c++)
                    *x++ = py < 0 || px < 0 ? 0 : in->values[(c * in->height + py) * in->width + px];
            }
}

/* One read of one array: the synapses of a row and slot that belong to the copy, multiplied and counted. */
static void sense(const node *n, const copy *c, int array, int row, int slot, const int32_t *x, int32_t *acc) {
    int outputs = n->output->channels / n->groups;
    for (const tile *t = c->tiles; t < c->tiles + c->tile_count; t++) {
        if (t->array != array || row < t->top || row >= t->top + t->rows) continue;
        for (int column = 0; column < t->columns; column++) {
            int channel = t->column + column;
            if ((t->left + column) % chip.per_amplifier != slot) continue;
            acc[channel] += chip.weights[array][row * chip.columns + t->left + column] *
                            x[channel / outputs * n->rows + t->row + row - t->top];
        }
    }
}

/* A round works on as many output positions as there are copies, all arrays at once. */
static void conv(const node *n) {
    int channels = n->output->channels, positions = n->output->height * n->output->width, copies = n->copy_count;
    int32_t *x = allocate((size_t)(copies * n->groups * n->rows), sizeof *x);
    int32_t *acc = allocate((size_t)(copies * channels), sizeof *acc);
    if (chip.cycle != n->first) fail("a layer begins in cycle %ld, not in %d", chip.cycle, n->first);
    for (int start = 0; start < positions; start += copies) {
        int at_work = positions - start < copies ? positions - start : copies;
        memset(acc, 0, (size_t)(copies * channels) * sizeof *acc);
        for (int k = 0; k < at_work; k++) gather(n, start + k, x + k * n->groups * n->rows);
        for (int cycle = 0; cycle < n->per_position; cycle++, chip.cycle++)
            for (int k = 0; k < at_work; k++)
                for (const reads *r = n->copies[k].arrays; r < n->copies[k].arrays + n->copies[k].array_count; r++)
                    if (cycle < r->count)
                        sense(n, &n->copies[k], r->array, r->row[cycle], r->slot[cycle], x + k * n->groups * n->rows,
                              acc + k * channels);
        for (int k = 0; k < at_work; k++)
            for (int c = 0; c < channels; c++) n->output->values[c * positions + start + k] = acc[k * channels + c];
    }
    chip.cycle += n->drain;
    free(x);
    free(acc);
}

static int32_t pool_window(const node *n, const int32_t *plane, int at, int is_sum, int minimum) {
    const tensor *in = n->input;
    int32_t sum = 0, best = 0;
    int found = 0;
    for (int ky = 0; ky < n->window.kernel[0]; ky++)
        for (int kx = 0; kx < n->window.kernel[1]; kx++) {
            int py = position(&n->window, 0, at / n->output->width, ky, in->height);
            int px = position(&n->window, 1, at % n->output->width, kx, in->width);
            if (py < 0 || px < 0) continue;
            int32_t value = plane[py * in->width + px];
            sum += value;
            if (!found || (minimum ? value < best : value > best)) best = value;
            found = 1;
        }
    return is_sum ? sum : best;
}

static void pool(const node *n) {
    int is_sum = !strcmp(n->operator, "sumpool"), area = n->output->height * n->output->width;
    for (int c = 0; c < n->output->channels; c++) {
        const int32_t *plane = n->input->values + c * n->input->height * n->input->width;
        for (int at = 0; at < area; at++)
            n->output->values[c * area + at] = pool_window(n, plane, at, is_sum, !is_sum && n->parameters[c]);
    }
}

/* The values of windows at the first maxima of the other tensor's, all others 0. */
static void unpool(const node *n) {
    const int *kernel = n->window.kernel, width = n->output->width, area = n->output->height * width;
    const int32_t *value = n->input->values;
    memset(n->output->values, 0, size_of(n->output) * sizeof(int32_t));
    for (int c = 0; c < n->output->channels; c++)
        for (int y = 0; y < n->input->height; y++)
            for (int x = 0; x < n->input->width; x++) {
                const int32_t *plane = n->other->values + c * area;
                int first = y * kernel[0] * width + x * kernel[1], best = first;
                for (int at = 0; at < kernel[0] * kernel[1]; at++) {
                    int candidate = first + at / kernel[1] * width + at % kernel[1];
                    if (plane[candidate] > plane[best]) best = candidate;
                }
                n->output->values[c * area + best] = *value++;
            }
}

static void concat(const node *n) {
    size_t size = size_of(n->input);
    memcpy(n->output->values, n->input->values, size * sizeof(int32_t));
    memcpy(n->output->values + size, n->other->values, size_of(n->other) * sizeof(int32_t));
}

static int32_t threshold(int32_t acc, const int32_t *parameters) {
    int32_t level = (acc >= parameters[1]) - (acc < parameters[0]);
    return parameters[2] ? -level : level;
}

static int32_t rescale(int32_t value, const int32_t *parameters, int zero_point) {
    int64_t offset = (int64_t)((uint64_t)(uint32_t)parameters[2] << 32 | (uint32_t)parameters[1]);
    int64_t sum = (int64_t)value * parameters[0] + offset;
    int64_t code = sum < 0 ? 0 : sum >> parameters[3];
    return (int32_t)(code > 255 ? 255 : code) - zero_point;
}

static int32_t score(int32_t acc, const int32_t *parameters) {
    float scale, bias;
    int32_t bits;
    memcpy(&scale, &parameters[0], sizeof scale);
    memcpy(&bias, &parameters[1], sizeof bias);
    volatile float product = (float)acc * scale; /* rounded on its own: no fused multiply-add */
    float sum = product + bias;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}

static void run_node(const node *n) {
    if (!strcmp(n->operator, "conv")) {
        conv(n);
        return;
    }
    if (!strcmp(n->operator, "maxunpool")) {
        unpool(n);
        return;
    }
    if (strstr(n->operator, "pool")) {
        pool(n);
        return;
    }
    if (!strcmp(n->operator, "concat")) {
        concat(n);
        return;
    }
    size_t size = size_of(n->output), area = size / (size_t)n->output->channels;
    for (size_t i = 0; i < size; i++) {
        int32_t value = n->input->values[i], *to = &n->output->values[i];
        if (!strcmp(n->operator, "threshold")) *to = threshold(value, n->parameters + 3 * (i / area));
        else if (!strcmp(n->operator, "rescale")) *to = rescale(value, n->parameters + 4 * (i / area), n->output->zero_point);
        else if (!strcmp(n->operator, "scores")) *to = score(value, n->parameters + 2 * (i / area));
        else if (!strcmp(n->operator, "add")) *to = value + n->other->values[i];
        else fail("network.txt: unknown operator %s", n->operator);
    }
}

static int equal(const tensor *output, const uint8_t *expected) {
    for (size_t i = 0; i < size_of(output); i++, expected += 4) {
        uint32_t bits = expected[0] | (uint32_t)expected[1] << 8 | (uint32_t)expected[2] << 16 | (uint32_t)expected[3] << 24;
        if ((uint32_t)output->values[i] != bits) return 0;
    }
    return 1;
}

int main(void) {
    FILE *file = stdin, *inputs = fopen("inputs.bin", "rb"), *scores = fopen("scores.bin", "rb");
    if (!inputs || !scores) fail("inputs.bin or scores.bin is missing");
    numbers(file, &chip.polarity, 5);
    chip.weights = allocate((size_t)chip.count, sizeof *chip.weights);
    long cycles = number(file);
    int tensor_count = number(file);
    tensor *tensors = allocate((size_t)tensor_count, sizeof *tensors);
    for (int i = 0; i < tensor_count; i++) {
        numbers(file, &tensors[i].channels, 4);
        tensors[i].values = allocate(size_of(&tensors[i]), sizeof(int32_t));
    }
    tensor *input = &tensors[number(file)], *output = &tensors[number(file)];
    int node_count = number(file);
    node *nodes = allocate((size_t)node_count, sizeof *nodes);
    for (int i = 0; i < node_count; i++) read_node(file, tensors, &nodes[i]);

    uint8_t *image = allocate(size_of(input), 1), *expected = allocate(size_of(output), 4);
    int images = 0, right = 0;
    while (fread(image, 1, size_of(input), inputs) == size_of(input)) {
        if (fread(expected, 4, size_of(output), scores) != size_of(output)) fail("scores.bin is too short");
        for (size_t i = 0; i < size_of(input); i++) input->values[i] = image[i] - input->zero_point;
        chip.cycle = 0;
        for (int i = 0; i < node_count; i++) run_node(&nodes[i]);
        if (chip.cycle != cycles) fail("an image took %ld cycles, not %ld", chip.cycle, cycles);
        right += equal(output, expected);
        images++;
    }
    printf("%d of %d test images give the expected scores, in %ld cycles each\n", right, images, cycles);
    return images > 0 && right == images ? 0 : 1;
}
