// SPDX-License-Identifier: Apache-2.0

package judge

import "github.com/slipwayhq/slipway/workflows/decide"

func counted(requests, errors float64) decide.Counts {
	return decide.Counts{Requests: requests, Errors: errors}
}
