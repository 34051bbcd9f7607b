// SPDX-License-Identifier: Apache-2.0

package split_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/activities/traffic/split"
)

func TestAKindThatTheClusterDoesNotKnowIsToldFromAnObjectThatIsNotThere(t *testing.T) {
	routes := schema.GroupResource{Group: "gateway.networking.k8s.io", Resource: "httproutes"}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"an object that is not there":             {apierrors.NewNotFound(routes, "checkout"), false},
		"a path that no API has":                  {apierrors.NewGenericServerResponse(http.StatusNotFound, "get", routes, "checkout", "404 page not found", 0, true), true},
		"a version that an API lacks":             {apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, false), true},
		"a right that is missing":                 {apierrors.NewForbidden(routes, "checkout", nil), false},
		"an answer that was no answer of the API": {errors.New("connection refused"), false},
		"no error": {nil, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, split.Unserved(c.err)) })
	}
}
