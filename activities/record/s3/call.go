// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	client, err := minio.NewCore(host, options)
	if err != nil {
		return calls{}, fmt.Errorf("make client: %w", err)
	}
	// The body is signed whole: where it is signed as it is sent, the client's reader is closed twice at once when the
	// store sends the request elsewhere, which that reader is not made for.
	put := func(ctx context.Context, key string, body []byte, fresh bool) error {
		o := minio.PutObjectOptions{ContentType: "application/x-ndjson", DisableContentSha256: true}
		if fresh {
			o.SetMatchETagExcept("*")
		}
		sum := sha256.Sum256(body)
		_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), "", hex.EncodeToString(sum[:]), o)
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
		object, err := client.Client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
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
