// SPDX-License-Identifier: Apache-2.0

// Package oci asks registries, by the OCI distribution protocol, which digest a tag has. It downloads no
// layer and changes nothing.
package oci
