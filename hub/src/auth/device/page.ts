/** Owns the page that a person with a user code is sent to. It shows nothing of the request: the operator's tools do. */

export const VERIFICATION_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>AgenTrux hub: a program asks for access</title>
</head>
<body>
<h1>A program asks for access</h1>
<p>The operator of this hub decides. On the hub's machine:</p>
<pre>agentrux-hub request list
agentrux-hub request approve USER-CODE</pre>
<p>Compare the code there with the one the program shows. If they differ, or if you do not know the program:</p>
<pre>agentrux-hub request deny USER-CODE</pre>
</body>
</html>
`;

export const VERIFICATION_PAGE_HEADERS: Record<string, string> = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};
