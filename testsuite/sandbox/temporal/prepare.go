// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// searchAttributes that Slipway sets.
func searchAttributes() map[string]enums.IndexedValueType {
	return map[string]enums.IndexedValueType{
		"SlipwayService":     enums.INDEXED_VALUE_TYPE_KEYWORD,
		"SlipwayEnvironment": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"SlipwayStrategy":    enums.INDEXED_VALUE_TYPE_KEYWORD,
		"SlipwayPhase":       enums.INDEXED_VALUE_TYPE_KEYWORD,
		"SlipwayVerdict":     enums.INDEXED_VALUE_TYPE_KEYWORD,
		"SlipwayWeight":      enums.INDEXED_VALUE_TYPE_INT,
	}
}

// prepare waits until the namespace answers and adds the search attributes it lacks. The frontend
// answers before every service behind it does, so each try that fails is made again.
func prepare(ctx context.Context, address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	defer func() { _ = conn.Close() }()
	operator := operatorservice.NewOperatorServiceClient(conn)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := addAttributes(ctx, operator)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the namespace: %w", err)
		case <-tick.C:
		}
	}
}

func addAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient) error {
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes: %w", err)
	}
	missing := searchAttributes()
	for name := range have.CustomAttributes {
		delete(missing, name)
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("add search attributes: %w", err)
	}
	return nil
}
