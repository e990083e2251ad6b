* SPDX-License-Identifier: Apache-2.0
* Precharge sense amplifier on a 2T2R synapse: precharge from discharged lines, read, precharge again.
* circuit.py fills in what stands in braces (str.format). The library has the models nch and pch in every corner.
.lib '{library}' {corner}
* Without trtol=1 and chgtol=1e-17 the discharge times are off by several per cent.
.options temp={temperature} method=trap reltol=1e-3 trtol=1 chgtol=1e-17
.param w={width} l={length}

vdd vdd 0 pwl(0 0 0.1n {vdd})
vwl wl 0 pwl(0 0 0.1n {vdd})
vsen sen 0 pwl(0 0 {sen_rise} 0 {sen_high} {vdd} {sen_fall} {vdd} {sen_low} 0)

* the latch, q being the bit line's output, and the precharge
mp1 q qb vdd vdd pch w='w' l='l'
mp2 qb q vdd vdd pch w='w' l='l'
mp3 q sen vdd vdd pch w='w' l='l'
mp4 qb sen vdd vdd pch w='w' l='l'
mn1 q qb bl 0 nch w='w' l='l'
mn2 qb q blb 0 nch w='w' l='l'

* the bit lines, the synapse's devices and access transistors, and the foot of the source line
c1 bl 0 {capacitance}
c2 blb 0 {capacitance}
r1 bl d1 10k
r2 blb d2 10k
ma1 d1 wl sl 0 nch w='w' l='l'
ma2 d2 wl sl 0 nch w='w' l='l'
mf sl sen 0 0 nch w='4*w' l='l'

.control
{commands}
quit
.endc
.end
