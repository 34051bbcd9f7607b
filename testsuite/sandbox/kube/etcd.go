// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const etcdAddress = "http://127.0.0.1:2379"

// startEtcd keeps everything in dir. It does not fsync: what was written survives the death of the
// process, not a power cut.
func startEtcd(dir string) (stop func(), err error) {
	clients, err1 := url.Parse(etcdAddress)
	peers, err2 := url.Parse("http://127.0.0.1:2380")
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("parse etcd's addresses: %w", err)
	}
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.UnsafeNoFsync = dir, "error", true
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
	c.InitialCluster = c.Name + "=" + peers.String()
	// One member elects itself: there is nobody to wait for.
	c.TickMs, c.ElectionMs = 50, 250
	server, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return server.Close, nil
	case <-time.After(30 * time.Second):
		server.Close()
		return nil, errors.New("start etcd: not ready within 30s")
	}
}
