// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"
	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	namespace   = "default"
	// retention of ended workflows. The server's own default for a development namespace is 24 h.
	retention = 30 * 24 * time.Hour
)

func (o options) address() string { return net.JoinHostPort(o.ip, strconv.Itoa(o.port)) }

func newServer(o options, logger *slog.Logger) (temporal.Server, error) {
	c, hosts, err := o.config()
	if err != nil {
		return nil, err
	}
	if err := createNamespace(c.Persistence.DataStores[storeName].SQL); err != nil {
		return nil, fmt.Errorf("create namespace: %w", err)
	}
	logs := logAdapter{logger}
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("make authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&c.Global.Authorization, logs)
	if err != nil {
		return nil, fmt.Errorf("make claim mapper: %w", err)
	}
	s, err := temporal.NewServer(
		temporal.WithConfig(c), temporal.ForServices(temporal.DefaultServices), temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logs), temporal.WithDynamicConfigClient(dynamic()), temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
	)
	if err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	return s, nil
}

// config is one host with all four services.
func (o options) config() (*config.Config, map[primitives.ServiceName]static.Hosts, error) {
	c := &config.Config{
		Persistence:         config.Persistence{DefaultStore: storeName, VisibilityStore: storeName, NumHistoryShards: 1, DataStores: stores(o.db)},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: o.address()},
		Services:            map[string]config.Service{},
	}
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = o.ip
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled: true, InitialFailoverVersion: 1, RPCAddress: o.address(), ClusterID: uuid.NewString(),
		}},
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	hosts := map[primitives.ServiceName]static.Hosts{}
	for _, name := range []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	} {
		port := o.port
		if name != primitives.FrontendService {
			free, err := freePort(o.ip)
			if err != nil {
				return nil, nil, err
			}
			port = free
		}
		c.Services[string(name)] = config.Service{RPC: config.RPC{BindOnIP: o.ip, GRPCPort: port}}
		hosts[name] = static.SingleLocalHost(net.JoinHostPort(o.ip, strconv.Itoa(port)))
	}
	return c, hosts, nil
}

func freePort(ip string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// dynamic lets one shard poll as fast as it can: at the default of 20 polls a second and queue, every
// hop of a task would wait up to 50 ms.
func dynamic() dynamicconfig.StaticClient {
	values := dynamicconfig.StaticClient{
		dynamicconfig.TransferProcessorMaxPollRPS.Key():                  10000,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():                     10000,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():                10000,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():                  10000,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
	}
	for name, value := range map[string]any{
		"system.forceSearchAttributesCacheRefreshOnRead": true,
		"system.forceNexusEndpointRefreshOnRead":         true,
		"frontend.persistenceMaxQPS":                     10000,
		"history.persistenceMaxQPS":                      45000,
	} {
		values[dynamicconfig.MakeKey(name)] = value
	}
	return values
}

// newUI serves the web UI. It has no authentication and could terminate a workflow, which would skip
// its undo, so terminating is switched off.
func newUI(o options) *uiserver.Server {
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host: o.ip, Port: o.uiPort, TemporalGRPCAddress: o.address(), EnableUI: true, DefaultNamespace: namespace,
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true, WorkflowTerminateDisabled: true,
	}))
}
