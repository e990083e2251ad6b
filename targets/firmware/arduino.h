/* Written by trit: what a sketch includes. */
#ifdef __AVR__
#error "the model would lie in RAM, which 8-bit AVR boards have too little of: take a 32-bit board"
#endif
#include "model.h"
#include "trit.h"
