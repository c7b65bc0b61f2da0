/*
 * Runs before the modules, in browsers too old to read them as well, so it is
 * written in the JavaScript of 2009. When they fail before the page has
 * started, it shows the one view that needs nothing of them.
 */
(function () {
  function sorry() {
    if (document.documentElement.getAttribute("data-started") !== null) return;
    var views = document.querySelectorAll("[data-view]");
    for (var i = 0; i < views.length; i++) {
      if (views[i].getAttribute("data-view") === "old") views[i].removeAttribute("hidden");
      else views[i].setAttribute("hidden", "");
    }
  }
  function whenRead() {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", sorry);
    else sorry();
  }
  // Only a script that cannot be understood comes here; one that did not arrive has no message.
  window.addEventListener("error", function (event) {
    if (event.message) whenRead();
  });
  if (!("noModule" in document.createElement("script"))) whenRead();
})();
