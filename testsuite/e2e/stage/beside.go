// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
	"k8s.io/client-go/rest"
)

// retention of what has ended in a namespace of Temporal's.
const retention = 72 * time.Hour

// Beside is the same sandbox by a namespace of Temporal's of its own: its worker and its releases know nothing
// of those of other namespaces. It has no worker yet, and ends with the stage that it is beside.
func (s *Stage) Beside(ctx context.Context, namespace string) (*Stage, error) {
	options := client.Options{HostPort: s.Temporal, Logger: quiet{}}
	namespaces, err := client.NewNamespaceClient(options)
	if err != nil {
		return nil, fmt.Errorf("reach Temporal: %w", err)
	}
	defer namespaces.Close()
	err = namespaces.Register(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); err != nil && !exists {
		return nil, fmt.Errorf("make namespace %s of Temporal: %w", namespace, err)
	}
	out := *s
	out.Namespace, out.Worker = namespace, nil
	c, err := out.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return &out, Await(ctx, func(ctx context.Context) error {
		_, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
		return err
	})
}

// Upstream is the API server for whoever stands in front of it: its URL, and a transport without credentials.
func (s *Stage) Upstream() (string, http.RoundTripper, error) {
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(s.admin))
	if err != nil {
		return "", nil, fmt.Errorf("reach the API server: %w", err)
	}
	return s.admin.Host, transport, nil
}
