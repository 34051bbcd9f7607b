// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// frontend is one port of one Service: a listener that spreads connections over the ready endpoints.
type frontend struct {
	listener  net.Listener
	endpoints atomic.Pointer[[]string]
	next      atomic.Uint64
}

// serveServices is the kube-proxy: it listens on every Service address.
func serveServices(ctx context.Context, client kubernetes.Interface) {
	factory := informers.NewSharedInformerFactory(client, 0)
	services, slices := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { note() }, UpdateFunc: func(any, any) { note() }, DeleteFunc: func(any) { note() },
	}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), slices.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			fmt.Fprintln(os.Stderr, "watch Services:", err)
			return
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	frontends := map[string]*frontend{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			listen(frontends, wanted(services.Lister(), slices.Lister()))
		}
	}
}

// wanted maps every Service's address and port to its ready endpoints.
func wanted(services corelisters.ServiceLister, slices discoverylisters.EndpointSliceLister) map[string][]string {
	out := map[string][]string{}
	all, err := services.List(labels.Everything())
	if err != nil {
		return out
	}
	for _, s := range all {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone {
			continue
		}
		own, err := slices.EndpointSlices(s.Namespace).List(labels.Set{discoveryv1.LabelServiceName: s.Name}.AsSelector())
		if err != nil {
			continue
		}
		for _, port := range s.Spec.Ports {
			address := net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(port.Port)))
			out[address] = endpoints(own, port.Name)
		}
	}
	return out
}

func endpoints(slices []*discoveryv1.EndpointSlice, port string) []string {
	var out []string
	for _, slice := range slices {
		for _, p := range slice.Ports {
			if ptr.Deref(p.Name, "") != port || p.Port == nil {
				continue
			}
			for _, e := range slice.Endpoints {
				if ptr.Deref(e.Conditions.Ready, true) {
					out = append(out, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*p.Port))))
				}
			}
		}
	}
	return out
}

// listen makes the frontends those that are wanted.
func listen(frontends map[string]*frontend, want map[string][]string) {
	for address, ready := range want {
		f := frontends[address]
		if f == nil {
			l, err := net.Listen("tcp", address)
			if err != nil {
				fmt.Fprintln(os.Stderr, "listen on Service address:", err)
				continue
			}
			f = &frontend{listener: l}
			frontends[address] = f
			go f.serve()
		}
		f.endpoints.Store(&ready)
	}
	for address, f := range frontends {
		if _, ok := want[address]; !ok {
			_ = f.listener.Close() // it only ends its own loop
			delete(frontends, address)
		}
	}
}

func (f *frontend) serve() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		go f.connect(c)
	}
}

func (f *frontend) connect(c net.Conn) {
	ready := *f.endpoints.Load()
	if len(ready) == 0 {
		_ = c.Close()
		return
	}
	backend, err := net.DialTimeout("tcp", ready[f.next.Add(1)%uint64(len(ready))], 2*time.Second)
	if err != nil {
		_ = c.Close() // as a kube-proxy would: the caller sees a closed connection
		return
	}
	splice(backend, c)
}

// splice copies both ways until both have ended, and closes both.
func splice(a, b io.ReadWriteCloser) {
	var both sync.WaitGroup
	half := func(to, from io.ReadWriteCloser) {
		_, _ = io.Copy(to, from) // an error is the end of the connection
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			_ = to.Close()
		}
	}
	both.Go(func() { half(a, b) })
	both.Go(func() { half(b, a) })
	both.Wait()
	_ = a.Close()
	_ = b.Close()
}
