/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot serve`: puts the parts together, runs until SIGTERM or SIGINT, and takes them apart in order. */
#ifndef INGOT_MAIN_SERVE_H
#define INGOT_MAIN_SERVE_H

#include "core/config.h"

/* Runs the server; returns when it was told to stop and everything is written and closed. E_… with a sentence for the
 * operator if it could not start. Takes the configuration over (a reload replaces it). */
MUST_USE int serve(struct config *config, struct err *err);

#endif
