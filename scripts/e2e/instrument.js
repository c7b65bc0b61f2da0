// Runs in every page before the page's own scripts: switches off what the
// browser does to speech, and records what the page receives.
(() => {
  const devices = navigator.mediaDevices;
  if (!devices) return;
  // Echo cancelling, noise filter and level control are the browser's, not ours to measure.
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wanted) => {
    const audio = wanted?.audio;
    return getUserMedia(audio ? { ...wanted, audio: { ...(audio === true ? {} : audio), ...plain } } : wanted);
  };

  // The page's socket, so that tests can send a message the page has no button for.
  const sockets = [];
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };

  // Every encoded audio frame on its way in and out, when the test asks for it
  // (window.e2eFrames is set before this script runs).
  const frames = [];
  if (window.e2eFrames) {
    const Connection = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Connection {
      constructor(config) {
        super({ ...config, encodedInsertableStreams: true });
      }
      addTransceiver(...args) {
        const line = super.addTransceiver(...args);
        tap(line.sender, "out");
        tap(line.receiver, "in");
        return line;
      }
    };
  }

  function tap(end, way) {
    const { readable, writable } = end.createEncodedStreams();
    const note = (frame) => {
      const about = frame.getMetadata();
      const codec = about.mimeType ?? "";
      if (codec.startsWith("audio/")) {
        frames.push({ way, codec, seq: about.sequenceNumber ?? 0, time: about.rtpTimestamp ?? 0, data: new Uint8Array(frame.data.slice(0)) });
      }
    };
    readable.pipeThrough(new TransformStream({
      transform(frame, out) {
        note(frame);
        out.enqueue(frame);
      },
    })).pipeTo(writable).catch(() => {});
  }

  function base64(bytes) {
    let text = "";
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return btoa(text);
  }

  const recordings = new Map();

  /** Records a track under a name until stopped. */
  async function record(name, track) {
    const entry = { rate: 0, chunks: [], gaps: 0, last: null, stop: false };
    recordings.set(name, entry);
    const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
    while (!entry.stop) {
      const { value: data, done } = await reader.read();
      if (done) break;
      const mono = new Float32Array(data.numberOfFrames);
      data.copyTo(mono, { planeIndex: 0, format: "f32-planar" });
      entry.rate = data.sampleRate;
      entry.chunks.push(mono);
      data.close();
    }
    await reader.cancel();
  }

  const e2e = {
    /** Starts recording the tracks of a kind, one after the other named kind0, kind1 … */
    listen(kind) {
      const tracks = window.dialroom.tracks(kind);
      tracks.forEach((track, i) => void record(kind + i, track));
      return tracks.length;
    },

    /** The encoded frames of a codec that went one way ("in", "out"), oldest first. */
    frames(way, codec) {
      return frames.filter((f) => f.way === way && f.codec === codec)
        .map((f) => ({ seq: f.seq, time: f.time, data: base64(f.data) }));
    },

    /** Sends a message on the page's open socket. */
    say(message) {
      const socket = sockets.find((s) => s.readyState === Socket.OPEN);
      socket?.send(JSON.stringify(message));
      return Boolean(socket);
    },

    /** How many seconds a recording has. */
    seconds(name) {
      const entry = recordings.get(name);
      if (!entry || !entry.rate) return 0;
      return entry.chunks.reduce((n, c) => n + c.length, 0) / entry.rate;
    },

    /** Ends a recording and returns it: 16-bit little endian, base64. */
    heard(name) {
      const entry = recordings.get(name);
      if (!entry) return { rate: 0, pcm: "" };
      entry.stop = true;
      const total = entry.chunks.reduce((n, c) => n + c.length, 0);
      const pcm = new Int16Array(total);
      let at = 0;
      for (const chunk of entry.chunks) {
        for (const v of chunk) pcm[at++] = Math.max(-32768, Math.min(32767, Math.round(v * 32767)));
      }
      return { rate: entry.rate, pcm: base64(new Uint8Array(pcm.buffer)) };
    },
  };
  Object.defineProperty(window, "e2e", { value: e2e });
})();
