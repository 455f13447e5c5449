// @aws-sdk/client-s3 as a client: reads tasks as lines of JSON, and answers each with a
// line. Its argument says how it sends bodies: buffers or streams.
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import https from 'node:https'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import {
  CopyObjectCommand, CreateBucketCommand, DeleteObjectsCommand, GetObjectCommand, PutObjectCommand, S3Client, paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

const streams = process.argv[2] === 'streams'
const clients = new Map()

// One for each server and key: they keep their connections.
function client({ url, ca, id, secret }) {
  const name = [url, id, secret].join()
  if (!clients.has(name)) {
    clients.set(name, new S3Client({
      endpoint: url, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1,
      credentials: { accessKeyId: id, secretAccessKey: secret },
      requestHandler: ca ? { httpsAgent: new https.Agent({ ca: readFileSync(ca), keepAlive: true }) } : {},
    }))
  }
  return clients.get(name)
}

const body = file => streams ? createReadStream(file) : readFileSync(file)

const operations = {
  make: (s3, { bucket }) => s3.send(new CreateBucketCommand({ Bucket: bucket })).then(() => null),

  // A stream tells no length: the server wants one.
  put: (s3, { bucket, key, file }) => s3.send(new PutObjectCommand({
    Bucket: bucket, Key: key, Body: body(file), ContentLength: statSync(file).size,
  })).then(() => null),

  async get(s3, { bucket, key, file, first, last }) {
    const range = first === undefined ? undefined : `bytes=${first}-${last}`
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, Range: range }))
    await pipeline(got.Body, createWriteStream(file))
    return null
  },

  async list(s3, { bucket, prefix }) {
    const keys = []
    for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix })) {
      keys.push(...(page.Contents ?? []).map(found => found.Key))
    }
    return keys
  },

  copy: (s3, { bucket, from, key }) => s3.send(new CopyObjectCommand({
    Bucket: bucket, Key: key, CopySource: `${bucket}/${from}`,
  })).then(() => null),

  parts: (s3, { bucket, key, file }) => new Upload({
    client: s3, partSize: 16 << 20, params: { Bucket: bucket, Key: key, Body: body(file) },
  }).done().then(() => null),

  presign: (s3, { method, bucket, key }) => getSignedUrl(
    s3, new (method === 'PUT' ? PutObjectCommand : GetObjectCommand)({ Bucket: bucket, Key: key }), { expiresIn: 600 }),

  async remove(s3, { bucket, keys }) {
    const done = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map(Key => ({ Key })) } }))
    if (done.Errors?.length) throw new Error(JSON.stringify(done.Errors))
    return null
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line)
  let answer
  try {
    answer = { value: await operations[task.op](client(task), task) }
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
process.exit()
