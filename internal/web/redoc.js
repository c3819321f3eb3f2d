// Redoc: the API for reading. Fonts are the system's, so that none is fetched.
const SYSTEM = "system-ui, sans-serif";
const MONOSPACE = "ui-monospace, monospace";

Redoc.init(
  "/openapi.json",
  {
    hideHostname: true,
    expandResponses: "200,201,202",
    theme: {
      typography: {
        fontFamily: SYSTEM,
        headings: { fontFamily: SYSTEM },
        code: { fontFamily: MONOSPACE },
      },
    },
  },
  document.getElementById("api"),
);
