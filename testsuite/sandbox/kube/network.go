// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"syscall"

	"github.com/vishvananda/netlink"
)

const bridgeName = "cni0"

// setupNetwork makes the node's bridge and makes every Service address local. It finds its own earlier
// work after a restart.
func setupNetwork() error {
	lo, err := up("lo")
	if err != nil {
		return err
	}
	err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("add bridge: %w", err)
	}
	bridge, err := up(bridgeName)
	if err != nil {
		return err
	}
	address := &net.IPNet{IP: net.ParseIP(nodeAddress), Mask: net.CIDRMask(16, 32)}
	if err := netlink.AddrReplace(bridge, &netlink.Addr{IPNet: address}); err != nil {
		return fmt.Errorf("add node address: %w", err)
	}
	// "Any IP": every Service address can be listened on without being configured.
	_, services, err := net.ParseCIDR(serviceCIDR)
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: services, Type: syscall.RTN_LOCAL, Table: syscall.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("add Service addresses: %w", err)
	}
	return nil
}

func up(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("set %s up: %w", name, err)
	}
	return link, nil
}

// addressPool hands out pod addresses. It begins at a random one, so that a runtime which is started
// again does not give a pod the address that another pod is still known by.
type addressPool struct {
	used map[string]bool
	next int
}

// The pool is 10.244.1.1 to 10.244.250.250.
const poolSize = 250 * 250

func newAddressPool() *addressPool {
	return &addressPool{used: map[string]bool{}, next: rand.IntN(poolSize)}
}

func (p *addressPool) take() string {
	for {
		p.next = (p.next + 1) % poolSize
		address := net.IPv4(10, 244, byte(1+p.next/250), byte(1+p.next%250)).String()
		if !p.used[address] {
			p.used[address] = true
			return address
		}
	}
}

func (p *addressPool) give(address string) { delete(p.used, address) }

// startPause starts the process that holds a pod's network namespace, wired to the bridge.
func startPause(id, address string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	goRead, goWrite, err1 := os.Pipe()
	okRead, okWrite, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("make pipes: %w", err)
	}
	defer func() { _ = okRead.Close() }()
	cmd := exec.Command(self, shimArg, pauseArg, address)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{goRead, okWrite}, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	err = cmd.Start()
	_ = closeAll(cmd.ExtraFiles) // ours are copies
	if err != nil {
		return nil, fmt.Errorf("start pause: %w", err)
	}
	go func() {
		_ = cmd.Wait() // it is killed in the end
		_ = goWrite.Close()
	}()
	if err := plug("v"+id[:12], cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	signal := []byte{1}
	if _, err := goWrite.Write(signal); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	if _, err := okRead.Read(signal); err != nil {
		return nil, errors.Join(fmt.Errorf("configure pod network: %w", err), cmd.Process.Kill())
	}
	return cmd, nil
}

// plug puts one end of a cable into the bridge, and the other, as eth0, into the pod. The cable goes
// away with the pod.
func plug(name string, pid int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid)}); err != nil {
		return fmt.Errorf("add cable: %w", err)
	}
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	cable, err := up(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetMaster(cable, bridge)
}

// pause configures the pod's end once it is plugged in, and stays until it is killed.
func pause(address string) error {
	plugged, configured := os.NewFile(3, "go"), os.NewFile(4, "ok")
	signal := make([]byte, 1)
	if _, err := plugged.Read(signal); err != nil {
		return fmt.Errorf("wait for the cable: %w", err)
	}
	if _, err := up("lo"); err != nil {
		return err
	}
	eth0, err := up("eth0")
	if err != nil {
		return err
	}
	own := &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(16, 32)}
	if err := netlink.AddrAdd(eth0, &netlink.Addr{IPNet: own}); err != nil {
		return fmt.Errorf("add pod address: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: net.ParseIP(nodeAddress)}); err != nil {
		return fmt.Errorf("add route: %w", err)
	}
	if _, err := configured.Write([]byte{1}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_ = configured.Close()
	_, _ = plugged.Read(signal) // until the runtime is gone
	return nil
}
