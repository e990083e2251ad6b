// SPDX-License-Identifier: Apache-2.0
// Cycles of a program on rp2040js's Cortex-M0+ between the runs of one function: node rp2040js.cjs PROGRAM.json
const { readFileSync } = require("node:fs");
const { RP2040 } = require("rp2040js");

const EXIT_EXTENDED = 0x20;
const FLASH = 0x10000000;

const program = JSON.parse(readFileSync(process.argv[2], "utf8"));
const chip = new RP2040();
for (const { at, data } of program.segments) chip.flash.set(Buffer.from(data, "base64"), at - FLASH);
let running = true;
chip.onBreak = () => {
  running = chip.core.registers[0] !== EXIT_EXTENDED;
};
chip.core.VTOR = FLASH;
chip.core.reset();
const marks = [];
while (running) {
  if (chip.core.PC === program.mark) marks.push(chip.core.cycles);
  chip.core.executeInstruction();
}
console.log(JSON.stringify(marks));
