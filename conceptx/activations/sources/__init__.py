"""Where models come from: torchvision, timm, packages, factories, and files of several kinds.

One module a source; each turns a place and weights into a module with its preprocessing. `conceptx.activations.models`
chooses among them, and `weights` reads state dicts for all. Nothing is downloaded, and no file is trusted.
"""
