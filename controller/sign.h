/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct settings;

/*
 * The keys with which the controller signs orders, and the signature itself: a CMS SignedData
 * in PEM, SHA-256, with the content and the signer's certificates inside.
 *
 * Two keys, for two kinds of agents: RSA, whose messages AWS's agents can read wherever they
 * run, and P-256, which is small and quick enough for one order a host.
 */
struct signer;

/*
 * Reads both keys and certificates from the files that the settings name (links are followed;
 * each at most 64 KiB) and checks that they belong together. A certificate's file may hold its
 * chain, the leaf first; all but a root travels with each order. Refused with a sentence that
 * names the file: keys of another kind (RSA of 2,048 to 4,096 bits, P-256), encrypted ones, and
 * those that every user of the machine can read.
 */
int signer_new(struct signer **ret, const struct settings *settings, struct error *err);
void signer_free(struct signer *signer);
void signer_freep(struct signer **signer);

/* Reads them anew. On failure the signer goes on with what it had. */
int signer_reload(struct signer *signer, const struct settings *settings, struct error *err);

/* Another number, never 0, after each reload: what was signed before may be out of date. */
uint64_t signer_generation(const struct signer *signer);

/*
 * When the first of the two certificates runs out, in ms since 1970. Orders are signed all the
 * same: AWS's agents do not look, and ours say why they refuse.
 */
uint64_t signer_expires_ms(const struct signer *signer);

/* The n bytes signed, label PKCS7, for AWS's agents. *ret is the caller's to free. */
int signer_sign_for_aws(
	struct signer *signer, const char *text, size_t n, char **ret, struct error *err);

/* The same for ours, label CMS. */
int signer_sign_for_ours(
	struct signer *signer, const char *text, size_t n, char **ret, struct error *err);
