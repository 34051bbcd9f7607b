// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// partState is a part as GET /parts shows it.
type partState struct {
	Name     string `json:"name"`
	Running  bool   `json:"running"`
	Restarts int    `json:"restarts"`
}

// serve lets whoever knows the token kill and start parts, and reach what only the cluster's network can.
func serve(l net.Listener, s *supervisor, token string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /parts", func(w http.ResponseWriter, _ *http.Request) {
		var out []partState
		for _, p := range s.programs {
			out = append(out, partState{Name: p.name, Running: p.alive(), Restarts: p.restarts})
		}
		_ = json.NewEncoder(w).Encode(out) // a caller that is gone needs no answer
	})
	mux.HandleFunc("POST /parts/{name}/kill", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.kill(r.PathValue("name")))
	})
	mux.HandleFunc("POST /parts/{name}/start", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.start(r.Context(), r.PathValue("name")))
	})
	mux.Handle("GET /cluster/{address}/", inside())
	server := &http.Server{Handler: guarded(mux, token), ReadHeaderTimeout: 5 * time.Second}
	_ = server.Serve(l) // it ends with the process
}

// inside passes requests on to an address of the cluster's own network, each on a connection of its own, as
// a caller inside the cluster would open it.
func inside() http.Handler {
	return &httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			address := r.In.PathValue("address")
			r.Out.URL.Scheme, r.Out.URL.Host = "http", address
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/cluster/"+address)
			r.Out.Header.Del("Authorization")
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
}

// guarded keeps other users of the machine out.
func guarded(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			http.Error(w, "the token of sandbox.json is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
