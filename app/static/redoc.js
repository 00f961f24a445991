Redoc.init(
  document.currentScript.dataset.document,
  { disableSearch: false, hideDownloadButton: false, expandResponses: "200,201" },
  document.getElementById("redoc"),
);
