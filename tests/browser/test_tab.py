"""Training in the page: its gradients and steps are PyTorch's, and each button does what it says."""

import base64
import hashlib
import http.server
import json
import re
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browser_helpers import check_accessibility, no_front_end_error
from playwright.sync_api import expect

from latentlab_helpers import checkpoints, datasets, models, results
from tools import page as static

FEW = 40  # images in a batch: enough, and quick

SETUP = """async ([fast, sizes, parameters]) => {
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const kernel = JSON.parse(document.getElementById("state").textContent).training.kernels.base64;
  const able = await kernels(Uint8Array.from(atob(fast ? kernel : ""), (c) => c.charCodeAt(0)));
  if (able.fast !== fast) throw new Error("other kernels than wanted");
  window.floats = floats;
  window.made = learner(able, sizes, 1);
  if (parameters) made.parameters().set(floats(parameters));
}"""
PROBE = """([images, aim, noise, rate]) => {
  const bytes = Uint8Array.from(atob(images), (c) => c.charCodeAt(0));
  const terms = made.probe(bytes, aim, floats(noise));
  if (rate) made.adam(rate);
  const text = (values) => {
    let made = "";
    for (const byte of new Uint8Array(values.slice().buffer)) made += String.fromCharCode(byte);
    return btoa(made);
  };
  return { ...terms, gradients: text(made.gradients()), parameters: text(made.parameters()) };
}"""


def packed(values):
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def terms(model, x, noise, squared):
    """The two terms of the loss, with this noise."""
    code = model.encoder(x)
    if isinstance(model, models.VariationalAutoencoder):
        mu, logvar = code.chunk(2, dim=1)
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()
        code = mu + torch.exp(logvar / 2) * noise
    else:
        kl = torch.zeros((), dtype=x.dtype)
    logits = model.decoder(code)
    each = (
        (logits.sigmoid() - x).square()
        if squared
        else F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    )
    return each.flatten(1).sum(dim=1).mean(), kl


def compared(page, model, squared, beta, batches, rate=0.0):
    """The page's terms, gradients and weights for these batches, beside PyTorch's in double precision."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate or 1.0)
    for images in batches:
        noise = torch.randn(len(images), model.latent_dim)
        aim = {"beta": beta, "noise": True, "squared": squared}
        found = page.evaluate(PROBE, [packed(images.numpy()), aim, packed(noise.numpy()), rate])
        optimizer.zero_grad()
        reconstruction, kl = terms(model, images.double() / 255, noise.double(), squared)
        (reconstruction + beta * kl).backward()
        gradients = flat([parameter.grad for parameter in model.parameters()]).numpy()
        if rate:
            optimizer.step()
        yield found, (reconstruction.item(), kl.item()), gradients, flat(model.parameters()).numpy()


def unpacked(text, count):
    return np.frombuffer(base64.b64decode(text), np.float32)[:count]


@pytest.fixture
def quiet(page):
    """The page, open and not learning."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(static.PAGE.as_uri())
    page.get_by_text("Not trained yet: random weights.").wait_for()
    return page


@pytest.mark.parametrize("fast", [True, False], ids=["WebAssembly", "JavaScript"])
def test_gradients_are_pytorch_s(quiet, train, fast):
    rows = FEW if fast else 7  # a batch that fills no panel
    for kind, squared, beta in (
        (models.VariationalAutoencoder, False, 1.0),
        (models.VariationalAutoencoder, True, 4.0),
        (models.Autoencoder, True, 1.0),
    ):
        for latent in (2, 3, 16):
            torch.manual_seed(latent)
            model = kind(latent).double()
            sizes = {"latent": latent, "hidden": 400, "variational": model.heads == 2}
            quiet.evaluate(SETUP, [fast, sizes, packed(flat(model.parameters()).float().numpy())])
            ((found, wanted, gradients, _),) = compared(quiet, model, squared, beta, [train.images[:rows]])
            assert (found["reconstruction"], found["kl"]) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
            off = np.abs(unpacked(found["gradients"], len(gradients)) - gradients)
            assert off.max() < 1e-4 * np.abs(gradients).max(), (kind, squared, latent)


def test_thirty_steps_lead_where_pytorch_s_lead(quiet, train):
    """From the same weights, with the same batches and noise: what differs is rounding, not luck."""
    torch.manual_seed(0)
    model = models.VariationalAutoencoder(2).double()
    sizes = {"latent": 2, "hidden": 400, "variational": True}
    quiet.evaluate(SETUP, [True, sizes, packed(flat(model.parameters()).float().numpy())])
    before = flat(model.parameters()).numpy().copy()
    batches = train.images[: 30 * FEW].split(FEW)
    found, weights = {}, before
    for found, wanted, _, weights in compared(quiet, model, False, 1.0, batches, rate=1e-3):  # noqa: B007
        assert found["reconstruction"] + found["kl"] == pytest.approx(sum(wanted), rel=1e-4)
    moved, off = weights - before, unpacked(found["parameters"], len(weights)) - weights
    assert np.linalg.norm(off) < 1e-3 * np.linalg.norm(moved)


def test_it_begins_as_pytorch_does_and_a_seed_repeats(quiet):
    """Weights uniform within 1 / sqrt(inputs), which is torch.nn.Linear's default."""
    sizes = {"latent": 2, "hidden": 400, "variational": True}
    starts = []
    for _ in range(2):
        quiet.evaluate(SETUP, [True, sizes, None])
        starts.append(np.array(quiet.evaluate("Array.from(made.parameters().subarray(0, 784 * 400))")) * 28)
    np.testing.assert_array_equal(*starts)
    assert abs(starts[0]).max() == pytest.approx(1, abs=1e-3) and abs(starts[0].mean()) < 0.01
    assert starts[0].var() == pytest.approx(1 / 3, abs=0.01)


def trained(page, steps=60):
    """Let it learn for some steps, and pause; the step that it has reached."""
    page.locator("#trainer").get_by_role("button", name="Play").click()
    page.wait_for_function(
        "(n) => /step (\\d+)/.exec(document.querySelector('#trainer .ll-numbers').textContent)?.[1] >= n",
        arg=steps,
    )
    page.locator("#trainer").get_by_role("button", name="Pause").click()
    page.locator("#trainer:not(.ll-running)").wait_for()
    return said(page)


def said(page):
    return page.locator("#trainer .ll-numbers").inner_text()


def measured(page):
    return page.evaluate("document.getElementById('trainer').latentlab.measure()")


def test_it_plays_pauses_steps_and_starts_again(quiet):
    trainer = quiet.locator("#trainer")
    with no_front_end_error(quiet):
        assert said(quiet) == "Not trained yet: random weights."
        first = measured(quiet)
        reached = trained(quiet)
        assert re.match(r"step \d+, \d\.\d times through 10000 digits", reached)
        later = measured(quiet)
        assert later["reconstruction"] < 0.5 * first["reconstruction"] and later["kl"] > 1
        count = int(re.match(r"step (\d+)", reached)[1])
        trainer.get_by_role("button", name="One step").click()
        trainer.get_by_text(f"step {count + 1}, ").wait_for()
        assert re.search(
            r"size of the gradient, encoder, first layer \d+\.\d, .*decoder, second \d+\.\d", said(quiet)
        )
        trainer.get_by_role("button", name="Start again").click()
        trainer.get_by_text("Not trained yet").wait_for()
        assert measured(quiet)["reconstruction"] == pytest.approx(first["reconstruction"], rel=1e-3)


def test_learning_goes_on_after_a_change_of_beta_and_begins_anew_after_one_of_size(quiet):
    trainer = quiet.locator("#trainer")
    with no_front_end_error(quiet):
        reached = trained(quiet)
        trainer.get_by_label("beta").select_option("64")
        assert said(quiet) == reached
        before = measured(quiet)["kl"]
        trained(quiet, steps=200)
        assert measured(quiet)["kl"] < before / 2
        for size, model in (("16", "AE"), ("2", "VAE")):
            trainer.get_by_label("latent size").select_option(size)
            trainer.get_by_text("Not trained yet").wait_for()
            trainer.get_by_label("model").select_option(model)
        check_accessibility(quiet)


def test_averaging_both_terms_lets_the_posterior_collapse(quiet):
    trainer = quiet.locator("#trainer")
    with no_front_end_error(quiet):
        trainer.get_by_role("button", name="average both terms").click()
        trainer.get_by_text("the posterior has collapsed").wait_for()
        quiet.wait_for_function(
            "/step \\d{3}/.test(document.querySelector('#trainer .ll-numbers').textContent)"
        )
        trainer.get_by_role("button", name="Pause").click()
        assert measured(quiet)["kl"] < 0.1


def test_what_was_learned_drives_the_instruments(quiet):
    with no_front_end_error(quiet):
        trained(quiet)
        loss = measured(quiet)
        quiet.get_by_role("button", name="Use it below").click()
        for name in ("pad-vae", "sliders", "morph", "board", "draw"):
            quiet.locator(f"#{name}[aria-label*='your VAE'] canvas").first.wait_for()
        quiet.locator("#draw").get_by_role("combobox").select_option(index=3)
        shown = quiet.locator("#draw").get_by_role("group", name="your VAE").locator("canvas").first
        grey = quiet.evaluate(
            "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]", shown.element_handle()
        )[::4]
        assert 20 < np.mean(grey) < 60 and loss["kl"] > 0  # a picture like the digits are, in grey levels


def test_a_part_and_its_lines_light_up_together_and_a_step_goes_back_through_them(quiet):
    network = quiet.locator("#network")
    lit = "[...document.querySelectorAll('#network .ll-lit > :first-child')].map((el) => el.innerText)"
    with no_front_end_error(quiet):
        network.get_by_role("button", name="noise ε").focus()
        assert quiet.evaluate(lit) == ["noise ε", "noise = randn(latent_dim)", "z = mu + sigma * noise"]
        network.get_by_role("button", name="h = relu").hover()
        assert quiet.evaluate(lit) == ["image x", "hidden h", "h = relu(W1 @ x + b1)"]
        shown = "document.querySelector('#network .ll-part:nth-child(3)').textContent"
        before = quiet.evaluate(shown)
        network.get_by_role("combobox").select_option("0")
        quiet.wait_for_function(f"(before) => {shown} !== before", arg=before)
        quiet.get_by_role("button", name="One step").click()
        network.get_by_text("gradient").nth(3).wait_for()
        quiet.locator("#trainer").get_by_label("model").select_option("AE")
        network.get_by_role("button", name="noise ε").wait_for(state="hidden")


def test_the_numbers_in_the_network_are_pytorch_s(quiet, train):
    torch.manual_seed(0)
    model = models.VariationalAutoencoder(3)
    sizes = {"latent": 3, "hidden": 400, "variational": True}
    quiet.evaluate(SETUP, [True, sizes, packed(flat(model.parameters()).numpy())])
    code = "([image, e]) => made.inside(Uint8Array.from(image), e)"
    noise = [0.5, -1.0, 2.0]
    inside = quiet.evaluate(
        f"(given) => Object.fromEntries(Object.entries(({code})(given)).map(([k, v]) => [k, [...v]]))",
        [train.images[0].flatten().tolist(), noise],
    )
    with torch.no_grad():
        x = datasets.to_float(train.images[:1])
        mu, logvar = model.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.tensor(noise)
        wanted = {
            "mu": mu,
            "sigma": torch.exp(logvar / 2),
            "z": z,
            "xhat": model.decode(z),
            "h": model.encoder[:3](x),
        }
    for name, value in wanted.items():
        np.testing.assert_allclose(inside[name], value.flatten(), rtol=1e-3, atol=1e-5)


def test_what_was_found_stands_in_the_address(quiet, context):
    with no_front_end_error(quiet):
        quiet.locator("#morph input[type=range]").fill("0.25")
        quiet.locator("#trainer").get_by_label("beta").select_option("4")
        quiet.wait_for_function("location.hash.includes('morph') && location.hash.includes('trainer')")
        address = quiet.url
        quiet.goto("about:blank")
        quiet.goto(address)
        quiet.get_by_text("Not trained yet").wait_for()
        assert quiet.locator("#morph .ll-value").inner_text() == "0.25"
        assert quiet.locator("#trainer").get_by_label("beta").input_value() == "4"
        quiet.goto("about:blank")
        quiet.goto(static.PAGE.as_uri() + "#pad-vae={&morph={%22t%22:%22x%22}&sliders={%22z%22:[1]}")
        quiet.get_by_text("Not trained yet").wait_for()
        assert quiet.locator("#morph .ll-value").inner_text() == "0.50"


def test_a_collapsed_model_draws_the_same_wherever_the_point_is(quiet):
    pad = quiet.locator("#pad-collapsed")
    pad.locator("canvas").nth(1).wait_for()
    picture = "document.querySelector('#pad-collapsed .ll-image')"
    grey = f"[...{picture}.getContext('2d').getImageData(0, 0, 28, 28).data]"
    before = np.array(quiet.evaluate(grey))
    pad.get_by_role("application").press("End")
    pad.get_by_role("status").get_by_text("z1 = 3.00").wait_for()
    assert np.abs(np.array(quiet.evaluate(grey)) - before).max() < 40 < before[::4].max()


def test_a_guess_about_the_folklore_gets_the_ledger_s_answer(quiet):
    for entry in results.load("claims")["ledger"]:
        guessed = quiet.get_by_role("group", name=entry["text"], exact=True)
        guessed.get_by_label("in part").check()
        said = guessed.locator("output").inner_text()
        assert said.startswith("As you say" if entry["verdict"] == "holds partly" else "Not so")
        assert f"{entry['verdict']} on MNIST".replace("does not hold", "not shown") in said


class Strict(http.server.SimpleHTTPRequestHandler):
    """A server whose policy lets the page's own scripts run, and no WebAssembly, worker or eval."""

    def do_GET(self):
        text = static.PAGE.read_bytes()
        scripts = re.findall(rb"<script(?: id=\"work\"| type=\"module\")>(.*?)</script>", text, re.S)
        hashes = " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in scripts
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:"
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_it_learns_under_a_strict_policy_slowly(page):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page.emulate_media(reduced_motion="reduce")
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_text("Not trained yet").wait_for()
        page.locator("#pad-vae[data-ready]").wait_for()
        first = measured(page)["reconstruction"]
        trained(page, steps=3)
        assert measured(page)["reconstruction"] < first
    finally:
        server.shutdown()


def test_the_page_has_the_kernels_that_are_written_down():
    kept = json.loads(re.search(r'id="state">(.*?)</script>', static.PAGE.read_text("utf-8"), re.S)[1])[
        "training"
    ]
    assert kept["source"] == hashlib.sha256(static.kernels.text().encode()).hexdigest()
    images = datasets.load("mnist", "train").images
    assert (
        len(static.training()["fifths"]["base64"]) == len(kept["fifths"]["base64"])
        and len(images) > static.TRAINED
    )


def test_the_questions_are_answered_by_hand(quiet):
    """Each opens when its instrument has been used as it asks, from the keyboard, and then tells."""
    questions = {
        name: quiet.locator(f"fieldset[data-hand={name}]") for name in ("gap", "pairs", "wide", "still")
    }
    for question in questions.values():
        question.locator(".found:not(:empty)").wait_for()
        assert question.locator("input:disabled").count() == question.locator("input").count() > 1
        assert question.locator("output").is_hidden()

    def slide(where, name, keys):
        slider = quiet.locator(f"#{where}").get_by_label(name, exact=True)
        for key in keys.split():
            slider.press(key)

    # A corner of the map is far from all digits, and no gap among them.
    slide("pad-ae", "z1", "Home")
    slide("pad-ae", "z2", "Home")
    expect(questions["gap"].locator(".found")).to_contain_text("Come back among the digits")
    chart = quiet.locator("#pad-ae canvas").first
    chart.scroll_into_view_if_needed()
    box, (across, up) = chart.bounding_box(), emptiest(quiet)
    chart.click(position={"x": across * box["width"], "y": (1 - up) * box["height"]})
    expect(questions["gap"].locator(".found")).to_contain_text("% of the map's width away. A gap.")
    questions["gap"].get_by_label("no digit").check()
    expect(questions["gap"].locator("output")).to_contain_text("two of three pictures")

    for name in ("from", "to"):
        quiet.locator("#morph").get_by_label(f"{name}: another one").press("Enter")
    expect(questions["pairs"].locator(".found")).to_have_text("Pairs that you have seen half-way: 3 of 3.")
    assert questions["pairs"].locator("input:disabled").count() == 0

    expect(questions["wide"].locator(".found")).to_contain_text("isn't a 1")
    quiet.locator("#board").get_by_label("image: which class").select_option("1")
    expect(questions["wide"].locator(".found")).to_contain_text("Go to 0.8 or more")
    slide("board", "width", "End")
    questions["wide"].get_by_label("a wide 1").check()
    expect(questions["wide"].locator("output")).to_contain_text("Not so. Some other digit.")
    questions["wide"].get_by_label("another digit").check()
    expect(questions["wide"].locator("output")).to_contain_text("As you say.")

    for name in ("z1", "z2"):
        slide("pad-collapsed", name, "Home End")
    said = questions["still"].locator(".found")
    expect(said).to_contain_text("You have been through half of the map")
    state = json.loads(quiet.locator("#state").inner_text())["pad-collapsed"]
    (x, right), (y, top) = zip(state["low"][0], state["high"][0], strict=True)
    seen = [state["start"], [x, state["start"][1]], [right, state["start"][1]], [right, y], [right, top]]
    images = checkpoints.load("vae_conv_2_beta_49").decode(torch.tensor(seen)).detach()
    most = 255 * (images[1:] - images[0]).abs().max().item()
    assert abs(int(re.search(r"changed by (\d+)", said.inner_text())[1]) - most) <= 1
    check_accessibility(quiet, "fieldset.asked")


def emptiest(page):
    """Where the autoencoder's map is emptiest between digits, as shares of its sides."""
    state = json.loads(page.locator("#state").inner_text())["pad-ae"]
    codes = torch.frombuffer(bytearray(base64.b64decode(state["codes"][0]["base64"])), dtype=torch.float32)
    low, high = torch.tensor(state["low"][0]), torch.tensor(state["high"][0])
    places = (codes.view(-1, 2) - low) / (high - low)
    ends = places.quantile(torch.tensor([0.1, 0.9]), dim=0)
    free = torch.cartesian_prod(*(torch.linspace(*ends[:, k].tolist(), 60) for k in (0, 1)))
    return free[torch.cdist(free, places).min(dim=1).values.argmax()].tolist()
