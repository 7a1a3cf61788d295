/*
 * json.h - reports are made with what traces/json.h adds to jansson.
 */
#ifndef SGL_ANALYSIS_JSON_H
#define SGL_ANALYSIS_JSON_H

#include "traces/json.h"

#endif
