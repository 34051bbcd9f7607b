// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/minio/minio-go/v7"
)

// calls are what is asked of a store. They are functions, so that no interface leads to the client and the linker
// leaves out what else it can do, a megabyte.
type calls struct {
	// put writes an object; fresh: only if it is not there yet.
	put func(ctx context.Context, key string, body []byte, fresh bool) error
	// list names the objects that begin with a prefix; deep: those in directories too, else the directories.
	list func(ctx context.Context, prefix string, deep bool) iter.Seq2[string, error]
	get  func(ctx context.Context, key string) ([]byte, error)
}

func dial(host, bucket string, options *minio.Options) (calls, error) {
	client, err := minio.New(host, options)
	if err != nil {
		return calls{}, fmt.Errorf("make client: %w", err)
	}
	put := func(ctx context.Context, key string, body []byte, fresh bool) error {
		o := minio.PutObjectOptions{ContentType: "application/x-ndjson", DisableMultipart: true}
		if fresh {
			o.SetMatchETagExcept("*")
		}
		_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), o)
		return err
	}
	list := func(ctx context.Context, prefix string, deep bool) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for o := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: deep}) {
				if !yield(o.Key, o.Err) {
					return
				}
			}
		}
	}
	get := func(ctx context.Context, key string) ([]byte, error) {
		object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(object)
		if err != nil {
			_ = object.Close() // which says it again
			return nil, err
		}
		return text, object.Close()
	}
	return calls{put: put, list: list, get: get}, nil
}
