// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/slipwayhq/slipway/workflows"
)

// ensureAttributes adds the search attributes that the namespace lacks: a workflow that sets an unknown
// one would hang.
func ensureAttributes(ctx context.Context, temporal client.Client, namespace string) error {
	want := map[string]enums.IndexedValueType{
		workflows.ServiceAttribute.GetName():     workflows.ServiceAttribute.GetValueType(),
		workflows.EnvironmentAttribute.GetName(): workflows.EnvironmentAttribute.GetValueType(),
		workflows.StrategyAttribute.GetName():    workflows.StrategyAttribute.GetValueType(),
		workflows.PhaseAttribute.GetName():       workflows.PhaseAttribute.GetValueType(),
		workflows.VerdictAttribute.GetName():     workflows.VerdictAttribute.GetValueType(),
		workflows.WeightAttribute.GetName():      workflows.WeightAttribute.GetValueType(),
		workflows.DigestAttribute.GetName():      workflows.DigestAttribute.GetValueType(),
		workflows.CommitAttribute.GetName():      workflows.CommitAttribute.GetValueType(),
		workflows.RequesterAttribute.GetName():   workflows.RequesterAttribute.GetValueType(),
		workflows.OutcomeAttribute.GetName():     workflows.OutcomeAttribute.GetValueType(),
	}
	operator := temporal.OperatorService()
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes of namespace %s: %w", namespace, err)
	}
	for name := range have.CustomAttributes {
		delete(want, name)
	}
	if len(want) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: want})
	if err != nil {
		return fmt.Errorf("add search attributes %v to namespace %s: %w; add them by `temporal operator search-attribute create`",
			slices.Sorted(maps.Keys(want)), namespace, err)
	}
	return nil
}
