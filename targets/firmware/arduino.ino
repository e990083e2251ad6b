// Written by trit: runs $model on test images and compares the scores with the expected ones, bit for bit.
#include <$name.h>

static uint32_t arena[MODEL_ARENA_WORDS];

void setup() {
  Serial.begin(115200);
  while (!Serial) {}
  trit_plan plan;
  float scores[MODEL_OUTPUT_SIZE];
  uint32_t right = 0;
  trit_status status = trit_open(&plan, model, model_size);
  for (uint32_t i = 0; i < test.count && status == TRIT_OK; i++) {
    unsigned long start = micros();
    status = trit_run(&plan, arena, sizeof arena, test.images + i * MODEL_INPUT_SIZE, scores);
    Serial.print(micros() - start);
    Serial.println(" us");
    right += !memcmp(test.expected + i * MODEL_OUTPUT_SIZE, scores, sizeof scores);
  }
  if (status != TRIT_OK) Serial.println(trit_status_text(status));
  Serial.print(right);
  Serial.print(" of ");
  Serial.print(test.count);
  Serial.println(" test images give the expected scores");
}

void loop() {}
