// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package e2e pins the module that the tests take Istio's CustomResourceDefinitions from.
package e2e

import _ "istio.io/api/networking/v1"
