// Lets the search work in pages that were opened from disk. Browsers refuse to
// start a Worker from file:, so there an invisible frame runs its script, and
// messages are events of either. The plugin offline would load such a file from
// a server at view time.
function frameWorker(url) {
  const frame = document.createElement("iframe");
  const message = (data) => new MessageEvent("message", { data });
  frame.hidden = true;
  document.body.appendChild(frame);
  const ready = new Promise((resolve) => (frame.onload = resolve));
  frame.contentWindow.postMessage = (data) =>
    frame.dispatchEvent(message(data));
  frame.postMessage = (data) =>
    ready.then(() => frame.contentWindow.dispatchEvent(message(data)));
  frame.contentDocument.write(`<body><script src="${url}"></script></body>`);
  frame.contentDocument.close();
  return frame;
}

if (location.protocol === "file:") window.Worker = frameWorker;
